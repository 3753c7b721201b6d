//! `cargo xtask bench accept`: how much of the corpus of ordinary Rust each kernel accepts.
//!
//! The corpus is in `tests/accept`, what builds it and the generator in `hachi_tests::accept`, what
//! loads and runs it in `tests/tests/accept.rs`. A unit is a program, a profile and a kernel; each
//! kernel's figures stand alone.

mod page;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use tinyjson::JsonValue;

use crate::matrix;
use crate::shell::{Result, capture, cargo, root, run as run_command, target_dir};

/// The kernels that are asked, besides the one here.
const KERNELS: &str = "5.10,6.1,6.12,7.3";

/// How long a guest may take for one kind of programs in one profile, in seconds.
const PATIENCE: &str = "7200";

/// What became of a program in a profile on a kernel.
struct Unit {
    generated: bool,
    profile: String,
    title: String,
    outcome: Outcome,
}

enum Outcome {
    /// The number of instructions that the verifier looked at, if the kernel says.
    Right(Option<f64>),
    Refused(String),
    Wrong(String),
}

impl Unit {
    /// Of an idiom that is refused though no limit of the kernel explains it, or whose twin in C
    /// is accepted where one does: what is to be said of it.
    fn unexplained(&self, limits: &[page::Limit], kernel: &str) -> Option<String> {
        let is_this = |limit: &&page::Limit| {
            self.title == format!("{} {}", limit.group, limit.name) && limit.is_on(kernel)
        };
        let is_known = limits.iter().any(|limit| is_this(&limit));
        let (title, profile) = (&self.title, &self.profile);
        match (&self.outcome, profile.as_str()) {
            (Outcome::Right(_), "C") if is_known => Some(format!(
                "{kernel}: {title} is no limit: its twin in C loads"
            )),
            (Outcome::Refused(_), "release" | "debug") if !self.generated && !is_known => Some(
                format!("{kernel}: {title} ({profile}) is refused, and by no limit of the kernel"),
            ),
            _ => None,
        }
    }

    /// Of a line of a test's output.
    fn parse(line: &str) -> Option<Self> {
        let (_, json) = line.split_once("accept {")?;
        let json: JsonValue = format!("{{{json}").parse().ok()?;
        let text = |name: &str| json[name].get::<String>().cloned();
        let why = || text("why").unwrap_or_default();
        let file = text("file")?;
        Some(Unit {
            generated: file.starts_with("generated_"),
            profile: text("profile")?,
            title: format!("{file} {}", text("name")?),
            outcome: match text("outcome")?.as_str() {
                "right" => Outcome::Right(json["verified"].get::<f64>().copied()),
                "refused" => Outcome::Refused(why()),
                _ => Outcome::Wrong(why()),
            },
        })
    }
}

/// Builds the corpus, loads it on the kernels named (or all) and here, and prints what became of
/// it. Fails where a bar is missed. After `--generated COUNT` with that many generated programs
/// only; with `--page` it writes the book's page and loads nothing.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    let (kernels, generated) = match arguments {
        ["--page"] => {
            std::fs::write(page::path(), page::page()?)?;
            return Ok(ExitCode::SUCCESS);
        }
        ["--generated", count, kernels @ ..] => (kernels, Some(*count)),
        kernels => (kernels, None),
    };
    let kernels = match kernels {
        [] => KERNELS.to_owned(),
        named => named.join(","),
    };
    let directory = target_dir().join("accept");
    let hachi = target_dir().join("debug/hachi");
    run_command(cargo(root()).args(["build", "--quiet", "--package", "hachi-cli"]))?;
    let mut build = cargo(root());
    build.args([
        "run",
        "--quiet",
        "--package",
        "hachi-tests",
        "--bin",
        "accept",
        "--",
    ]);
    build.arg(&directory);
    if let Some(count) = generated {
        build.args(["--generated", count]);
    }
    let suite = capture(build.env("HACHI_BIN", &hachi))?;
    let suite = PathBuf::from(suite.trim());

    let mut units: BTreeMap<String, Vec<Unit>> = BTreeMap::new();
    if let Some(reason) = matrix::obstacle() {
        println!("  no other kernels: {reason}");
    } else {
        let report = directory.join("report");
        let mut guests = Command::new(&hachi);
        guests
            .current_dir(root())
            .env("HACHI_ACCEPT", &directory)
            .args(["test", "--kernel", &kernels, "--timeout", PATIENCE]);
        guests
            .arg("--with")
            .arg(&suite)
            .arg("--report")
            .arg(&report);
        guests.args(["--", "--package", "hachi-tests", "--test", "accept"]);
        run_command(guests.args(["--", "--include-ignored"]))?;
        for kernel in kernels.split(',') {
            units.insert(kernel.to_owned(), reported(&report, kernel)?);
        }
    }
    if let Err(reason) = hachi_test::bpf_available() {
        println!("  nothing is loaded here: {reason}");
    } else {
        let mut here = cargo(root());
        here.args([
            "test",
            "--quiet",
            "--package",
            "hachi-tests",
            "--test",
            "accept",
            "--",
        ])
        .args(["--nocapture", "--include-ignored", "--skip", "generated"])
        .env("HACHI_ACCEPT", &directory);
        let output = capture(&mut here)?;
        units.insert(
            "here".to_owned(),
            output.lines().filter_map(Unit::parse).collect(),
        );
    }
    conclude(&directory, &units)
}

/// The units in a guest's report.
fn reported(directory: &Path, kernel: &str) -> Result<Vec<Unit>> {
    let path = directory.join(format!("{kernel}.json"));
    let report: JsonValue = std::fs::read_to_string(path)?.parse()?;
    let tests = report["tests"].get::<Vec<JsonValue>>().ok_or("no tests")?;
    let outputs = tests
        .iter()
        .filter_map(|test| test["output"].get::<String>());
    Ok(outputs
        .flat_map(|output| output.lines())
        .filter_map(Unit::parse)
        .collect())
}

/// Prints the tables, writes down what was refused, and compares with the bars.
fn conclude(directory: &Path, units: &BTreeMap<String, Vec<Unit>>) -> Result<ExitCode> {
    println!(
        "  {:8} {:10} {:8} {:>6} {:>6} {:>7} {:>6} {:>9}",
        "kernel", "programs", "profile", "units", "load", "%", "wrong", "verified"
    );
    let mut missed = Vec::new();
    let limits = page::limits()?;
    for (kernel, units) in units {
        let mut refusals = String::new();
        missed.extend(
            units
                .iter()
                .filter_map(|unit| unit.unexplained(&limits, kernel)),
        );
        let twins = Row::of(units, false, "C", &mut refusals);
        if twins.units > 0 {
            println!("  {kernel:8} {:10} {:8} {twins}", "twins", "C");
        }
        for generated in [false, true] {
            let kind = if generated { "generated" } else { "idioms" };
            let (mut all, mut loaded) = (0, 0);
            for profile in ["release", "debug"] {
                let row = Row::of(units, generated, profile, &mut refusals);
                if row.units == 0 {
                    continue;
                }
                println!("  {kernel:8} {kind:10} {profile:8} {row}");
                if row.wrong > 0 {
                    missed.push(format!("{kernel}: {} {kind} compute otherwise", row.wrong));
                }
                all += row.units;
                loaded += row.loaded;
            }
            let bar = bar(kernel, generated);
            if loaded * 100 < all * bar {
                missed.push(format!("{kernel}: fewer than {bar} % of the {kind} load"));
            }
        }
        let path = directory.join(format!("refused-{kernel}.txt"));
        std::fs::write(&path, refusals)?;
        println!("  {kernel:8} what was refused, and why: {}", path.display());
    }
    match missed.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(missed.join("; ").into()),
    }
}

/// What part of the programs has to load, in percent.
fn bar(kernel: &str, generated: bool) -> usize {
    match (kernel, generated) {
        ("5.10", _) => 92,
        (_, false) => 98,
        (_, true) => 97,
    }
}

/// The figures of one profile.
struct Row {
    units: usize,
    loaded: usize,
    wrong: usize,
    /// The median of what the verifier looked at.
    verified: Option<f64>,
}

impl Row {
    fn of(units: &[Unit], generated: bool, profile: &str, refusals: &mut String) -> Row {
        let mut row = Row {
            units: 0,
            loaded: 0,
            wrong: 0,
            verified: None,
        };
        let mut verified = Vec::new();
        for unit in units {
            if unit.generated != generated || unit.profile != profile {
                continue;
            }
            row.units += 1;
            let (word, why) = match &unit.outcome {
                Outcome::Right(count) => {
                    row.loaded += 1;
                    verified.extend(*count);
                    continue;
                }
                Outcome::Wrong(why) => {
                    row.loaded += 1;
                    row.wrong += 1;
                    ("WRONG", why)
                }
                Outcome::Refused(why) => ("refused", why),
            };
            writeln!(refusals, "== {word}: {} ({profile})\n{why}", unit.title).expect("text");
        }
        verified.sort_by(f64::total_cmp);
        row.verified = verified.get(verified.len() / 2).copied();
        row
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = 100.0 * self.loaded as f64 / self.units as f64;
        write!(
            f,
            "{:>6} {:>6} {percent:>7.2} {:>6} ",
            self.units, self.loaded, self.wrong
        )?;
        match self.verified {
            Some(verified) => write!(f, "{verified:>9}"),
            None => write!(f, "{:>9}", "-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> [String; 3] {
        let line = |file, outcome, rest| {
            format!(
                r#"accept {{"file":"{file}","name":"b","profile":"debug",
                    "outcome":"{outcome}",{rest}}}"#
            )
            .replace('\n', "")
        };
        [
            format!(
                "test idioms ... {}",
                line("loops", "right", r#""verified":7,"why":null"#)
            ),
            line("generated_01", "refused", r#""verified":null,"why":"x\ny""#),
            line("generated_01", "wrong", r#""verified":null,"why":"1""#),
        ]
    }

    #[test]
    fn outcomes_are_counted_by_kind_and_profile() {
        let units: Vec<Unit> = lines()
            .iter()
            .filter_map(|line| Unit::parse(line))
            .collect();
        assert_eq!(units.len(), 3);
        let mut refusals = String::new();
        let idioms = Row::of(&units, false, "debug", &mut refusals);
        assert_eq!(
            (idioms.units, idioms.loaded, idioms.verified),
            (1, 1, Some(7.0))
        );
        let generated = Row::of(&units, true, "debug", &mut refusals);
        assert_eq!(
            (generated.units, generated.loaded, generated.wrong),
            (2, 1, 1)
        );
        assert_eq!(Row::of(&units, true, "release", &mut refusals).units, 0);
        assert!(
            refusals.contains("refused: generated_01 b (debug)\nx\ny"),
            "{refusals}"
        );
        assert!(refusals.contains("WRONG: generated_01 b"), "{refusals}");
    }

    #[test]
    fn a_missed_bar_or_a_wrong_result_is_an_error() {
        let directory = hachi_test::TempDir::new().unwrap();
        let conclude = |lines: &[String]| {
            let units = lines.iter().filter_map(|line| Unit::parse(line)).collect();
            conclude(
                directory.path(),
                &BTreeMap::from([("6.1".to_owned(), units)]),
            )
        };
        assert!(conclude(&lines()[..1]).is_ok());
        let error = conclude(&lines()).unwrap_err().to_string();
        assert!(error.contains("compute otherwise"), "{error}");
        assert!(error.contains("fewer than 97 %"), "{error}");
    }

    #[test]
    fn a_refused_idiom_is_a_limit_that_its_twin_shows() {
        let limits = page::limits().unwrap();
        let said = |name: &str, profile: &str, outcome: Outcome| {
            let unit = Unit {
                generated: false,
                profile: profile.to_owned(),
                title: name.to_owned(),
                outcome,
            };
            unit.unexplained(&limits, "6.12")
        };
        let refused = || Outcome::Refused(String::new());
        let limit = "loops a_collatz_walk";
        assert_eq!(said(limit, "debug", refused()), None);
        assert_eq!(said(limit, "C", refused()), None);
        assert_eq!(said("loops nested", "C", refused()), None);
        assert!(said("loops nested", "debug", refused()).is_some());
        assert!(said(limit, "C", Outcome::Right(None)).is_some());
    }
}
