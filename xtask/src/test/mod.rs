//! `cargo xtask test`: everything CI checks, with one summary and a budget of time.

mod checks;
mod cost;
mod tally;

use crate::book::Guests;
use crate::shell::{Result, bold, green, red};
use crate::{floors, manifests, matrix, since, support};
use checks::{build_hachi, fuzz, seeds};
use cost::{Bill, Meter, minutes};
use std::process::ExitCode;
use std::time::Duration;
pub use tally::Tally;

/// One thing that is checked.
struct Step {
    name: &'static str,
    /// What is true when it passes.
    about: &'static str,
    runs: Runs,
    /// How long it may take: about twice what it takes on a quiet machine like CI's. With more, and
    /// more than other steps have left over ([`Bill`]), it fails: find out why, or give it more and
    /// take that from another one.
    budget: Duration,
    check: fn(&mut Tally) -> Result,
}

/// In which runs a step is, unless it is asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs {
    /// In all.
    Always,
    /// In that of each submission. The long run has a step that covers it.
    Short,
    /// Only with `--all`.
    Long,
}

const fn step(
    name: &'static str,
    about: &'static str,
    runs: Runs,
    budget: Duration,
    check: fn(&mut Tally) -> Result,
) -> Step {
    Step {
        name,
        about,
        runs,
        budget,
        check,
    }
}

/// In this order: the quick ones first, and nothing is built twice.
const STEPS: &[Step] = &[
    step(
        "tools",
        "the small programs that tests run are there",
        Runs::Always,
        minutes(3),
        checks::tools,
    ),
    step(
        "licences",
        "every crate is under its side's licence",
        Runs::Always,
        minutes(1),
        |_| manifests::check(),
    ),
    step(
        "format",
        "rustfmt has nothing to change, and no line of Rust is too long",
        Runs::Always,
        minutes(1),
        checks::format,
    ),
    step(
        "style",
        "plain phrases, no misspelt words, no paths of one machine, no missing code",
        Runs::Always,
        minutes(1),
        checks::style,
    ),
    step(
        "since",
        "the documentation names the first kernels that the tables have",
        Runs::Always,
        minutes(1),
        |_| since::check(),
    ),
    step(
        "floors",
        "no import runs up, between crates and inside hachi",
        Runs::Always,
        minutes(1),
        |_| floors::check(),
    ),
    step(
        "codegen",
        "the generated tables are what the generator makes",
        Runs::Always,
        minutes(1),
        checks::codegen,
    ),
    step(
        "support",
        "docs/support.md has every kind of program, and its tests exist",
        Runs::Always,
        minutes(1),
        |_| support::check(),
    ),
    step(
        "clippy",
        "no warnings in the workspace",
        Runs::Always,
        minutes(3),
        checks::clippy,
    ),
    step(
        "doc",
        "no warnings from rustdoc",
        Runs::Always,
        minutes(2),
        checks::doc,
    ),
    step(
        "build",
        "the hachi command builds, and finds or installs a toolchain for eBPF",
        Runs::Always,
        minutes(4),
        checks::build,
    ),
    step(
        "tests",
        "unit, documentation and live tests of the workspace",
        Runs::Always,
        minutes(17),
        checks::tests,
    ),
    step(
        "attack",
        "calls that fail, kills, signals, hostile files: a sample; nothing is left half-done",
        Runs::Short,
        minutes(2),
        |tally| checks::attack(tally, false),
    ),
    step(
        "attacks",
        "the same, fifty times as often",
        Runs::Long,
        minutes(60),
        |tally| checks::attack(tally, true),
    ),
    step(
        "aya",
        "programs with Aya's names, and its API in the shapes of each version, build and run",
        Runs::Always,
        minutes(2),
        checks::aya,
    ),
    step(
        "prober",
        "what works by libbpf works by Hachi: programs, maps and links of every kind",
        Runs::Always,
        minutes(2),
        checks::prober,
    ),
    step(
        "architectures",
        "tests of the loader pass on an arm64 kernel: a quarter of them",
        Runs::Long,
        minutes(20),
        checks::architectures,
    ),
    step(
        "examples",
        "the examples: no warnings, and their own tests pass",
        Runs::Always,
        minutes(3),
        checks::examples,
    ),
    step(
        "book",
        "the README and the book, typed and run block by block, do what they say",
        Runs::Short,
        minutes(3),
        |_| checks::book(Guests::LeftOut),
    ),
    step(
        "chapters",
        "the same, and what the book runs in guests",
        Runs::Long,
        minutes(8),
        |_| checks::book(Guests::Booted),
    ),
    step(
        "templates",
        "projects of some kinds of `hachi new` build without warnings, pass their tests, and work",
        Runs::Short,
        minutes(2),
        |tally| checks::templates(tally, false),
    ),
    step(
        "kinds",
        "projects of all kinds of `hachi new`, here and in a guest",
        Runs::Long,
        minutes(20),
        |tally| checks::templates(tally, true),
    ),
    step(
        "package",
        "crates can be published: contents, public API, the command installed from them",
        Runs::Always,
        minutes(4),
        checks::package,
    ),
    step(
        "wasm",
        "the virtual machine as a WebAssembly module runs an object in Node.js, in 640 KB",
        Runs::Always,
        minutes(1),
        crate::wasm::test,
    ),
    step(
        "site",
        "the book's programs run in a browser as they did when it was built, for every reader",
        Runs::Always,
        minutes(4),
        crate::book::test_site,
    ),
    step(
        "seeds",
        "each fuzz target survives its seeds and mutations of them",
        Runs::Always,
        minutes(2),
        seeds,
    ),
    step(
        "fuzz",
        "each fuzz target survives a minute of libFuzzer",
        Runs::Long,
        minutes(25),
        fuzz,
    ),
    step(
        "memory",
        "the portable crates and the tests' own kernel pass under AddressSanitizer",
        Runs::Long,
        minutes(6),
        checks::memory,
    ),
    step(
        "demo",
        "`cargo xtask demo` shows what it claims",
        Runs::Always,
        minutes(1),
        checks::demo,
    ),
    // Last: they take longest, and may use what the others left over.
    step(
        "matrix",
        "the integration tests again, on the oldest and the newest kernel",
        Runs::Short,
        minutes(8),
        |tally| checks::matrix(tally, matrix::KERNELS),
    ),
    step(
        "kernels",
        "the integration tests again, on all kernels",
        Runs::Long,
        minutes(25),
        |tally| checks::matrix(tally, matrix::ALL_KERNELS),
    ),
];

/// Runs the steps of a submission; with `--all` those that take too long for each one, too; with
/// names only those.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    let mut all = false;
    let mut names = Vec::new();
    for argument in arguments {
        match *argument {
            "--list" => {
                list();
                return Ok(ExitCode::SUCCESS);
            }
            "--all" => all = true,
            name if STEPS.iter().any(|step| step.name == name) => names.push(name),
            name => {
                let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
                eprintln!("no step `{name}`; there are {}", known.join(", "));
                return Ok(ExitCode::from(2));
            }
        }
    }
    if all && !names.is_empty() {
        eprintln!("`--all` runs all steps: give it or names");
        return Ok(ExitCode::from(2));
    }
    let wanted = |step: &&Step| match names.is_empty() {
        true => step.is_in(all),
        false => names.contains(&step.name),
    };
    let budgets = match names.is_empty() {
        true => Budgets::Checked,
        false => Budgets::Shown,
    };
    Ok(run_steps(STEPS.iter().filter(wanted), budgets))
}

/// Whether a step that takes longer than it may fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Budgets {
    /// It does: all steps run, one after the other.
    Checked,
    /// It does not: some were asked for, perhaps beside other work.
    Shown,
}

impl Step {
    /// Whether it is in the long run, or in that of a submission.
    fn is_in(&self, long: bool) -> bool {
        self.runs == Runs::Always || long == (self.runs == Runs::Long)
    }
}

fn list() {
    for step in STEPS {
        let budget = step.budget.as_secs() / 60;
        let runs = match step.runs {
            Runs::Always => "",
            Runs::Short => " (not with --all)",
            Runs::Long => " (only with --all)",
        };
        println!("{:10} {budget:3} min  {}{runs}", step.name, step.about);
    }
}

/// The matrix alone, on these kernels: versions separated by commas.
pub fn matrix_on(kernels: &str) -> Result<ExitCode> {
    build_hachi()?;
    let mut tally = Tally::default();
    if let Err(error) = checks::matrix(&mut tally, kernels) {
        tally.failed += 1;
        tally.failures.push(error.to_string());
    }
    Ok(tally.close())
}

fn run_steps<'a>(steps: impl Iterator<Item = &'a Step>, budgets: Budgets) -> ExitCode {
    let mut tally = Tally::default();
    let mut bill = Bill::default();
    for step in steps {
        println!("{}", bold(format!("== {}: {}", step.name, step.about)));
        let meter = Meter::start();
        let result = (step.check)(&mut tally);
        let cost = meter.stop();
        let in_time = bill.add(step.name, cost, step.budget) || budgets == Budgets::Shown;
        let reason = match result {
            Ok(()) if in_time => {
                tally.passed += 1;
                println!("{} {cost}", green(step.name));
                continue;
            }
            Ok(()) => format!(
                "it passed, but took {cost}; its budget is {} min",
                step.budget.as_secs() / 60
            ),
            Err(error) => error.to_string(),
        };
        println!("{} {reason}", red(format!("{} FAILED:", step.name)));
        tally.failed += 1;
        tally.failures.push(format!("{}: {reason}", step.name));
    }
    println!("\n{bill}");
    tally.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn step_names_are_unique() {
        let names: BTreeSet<&str> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), STEPS.len());
    }

    /// How long the steps of a submission may take together, by their budgets.
    const LIMIT: Duration = minutes(70);

    #[test]
    fn the_budgets_of_a_submission_fit_together() {
        let steps = STEPS.iter().filter(|step| step.is_in(false));
        let sum: Duration = steps.map(|step| step.budget).sum();
        assert!(sum <= LIMIT, "{sum:?}");
    }

    #[test]
    fn the_long_run_covers_the_short_one() {
        let short = |name| {
            STEPS
                .iter()
                .any(|step| step.name == name && step.is_in(false))
        };
        let long = |name| {
            STEPS
                .iter()
                .any(|step| step.name == name && step.is_in(true))
        };
        let pairs = [
            ("attack", "attacks"),
            ("matrix", "kernels"),
            ("book", "chapters"),
            ("templates", "kinds"),
        ];
        for (name, cover) in pairs {
            assert!(short(name) && !long(name) && long(cover) && !short(cover));
        }
        let only_short = STEPS.iter().filter(|step| step.runs == Runs::Short);
        assert_eq!(
            only_short.count(),
            pairs.len(),
            "each needs a step of the long run that covers it"
        );
    }
}
