//! `hachi test`: a package's tests, here or on other kernels.
//!
//! For other kernels cargo builds the tests as usual, but runs this command in place of each test
//! program; it only notes what to run and how. Then one guest for each kernel runs them all.

mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hachi_build::{Arch, Cross};
use hachi_guest::{Guest, Kernel, Outcome, Run, TestResult};
use hachi_linker::write_file;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::foreign::{self, Program};
use crate::commands::kernels::{failure, parse_version, stop_on_signal};
use crate::failure::{Failure, Kind, Result};
use crate::output::{BAD, GOOD, Output, Styled, Text, WARN, count, dim, say};

/// Names the file in which to note a test program and its arguments instead of running it.
const NOTE: &str = "HACHI_TEST_NOTE";

/// Run the tests of a package, on this machine or on other kernels
///
/// Without --kernel this is `cargo test`. With it the same test programs run in virtual machines,
/// on Debian's kernels of the versions named, which are fetched once. That needs no root and no
/// /dev/kvm. Tests run as root there, and one after the other, each in a process of its own. With
/// --arch they are machines of another kind, which the tests are built for.
///
/// With --coverage or --profile the tests of `#[hachi_test::test]` that run in the virtual machine
/// count what they run. At the end each has its programs' runs, with the instructions of the
/// longest and the average.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi test --coverage target/coverage
  hachi test --kernel 6.1
  hachi test --kernel 5.10,6.1,6.12 -- -p firewall drops
  hachi test --kernel 6.12 --arch arm64
  hachi test --kernel 6.1 --with objects -- --test attach -- --nocapture

A test may skip itself with hachi_test::skip! and its relatives; one that is skipped on every
kernel is reported.")]
pub struct Args {
    /// A version such as 6.1 or 6.12.107; several separated by commas
    #[arg(long, value_name = "VERSION", value_delimiter = ',', value_parser = parse_version)]
    kernel: Vec<String>,
    /// The kind of machine that the kernels run on: x86_64, aarch64 (arm64), riscv64 or s390x
    /// [default: this machine's]
    #[arg(long, value_name = "ARCH", requires = "kernel")]
    arch: Option<Arch>,
    /// Make a file or directory available, at the same path; may be given several times
    #[arg(long, value_name = "PATH", requires = "kernel")]
    with: Vec<PathBuf>,
    /// Make a program of this machine available, with its libraries
    #[arg(long, value_name = "NAME", requires = "kernel")]
    program: Vec<String>,
    /// Make a shared library available, such as libbpf.so.1, if there is one
    #[arg(long, value_name = "NAME", requires = "kernel")]
    library: Vec<String>,
    /// Insert a kernel module, if the kernel has it as one
    #[arg(long, value_name = "NAME", requires = "kernel")]
    module: Vec<String>,
    /// How many seconds a test may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// How many kernels to run at a time [default: one per processor]
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// Write the results as JSON to DIR/KERNEL.json, and what tests say they exercise to
    /// DIR/KERNEL.tsv; of another kind of machine, to DIR/KERNEL-ARCH.json and .tsv
    #[arg(long, value_name = "DIR", requires = "kernel")]
    report: Option<PathBuf>,
    #[command(flatten)]
    record: record::Wanted,
    /// Print every test, not only those that fail
    #[arg(short, long)]
    verbose: bool,
    /// Arguments for `cargo test`
    #[arg(last = true, value_name = "CARGO TEST ARGUMENTS")]
    cargo: Vec<String>,
}

/// Notes what to run and ends, where cargo runs this program in place of a test program.
pub fn intercept() {
    let Some(note) = std::env::var_os(NOTE) else {
        return;
    };
    let note = Path::new(&note);
    let failure = note_run(note)
        .err()
        .map(|error| Failure::because(note.display(), &error));
    if let Some(failure) = &failure {
        let _ = Output::new().failure(failure);
    }
    std::process::exit(i32::from(failure.is_some()));
}

fn note_run(note: &Path) -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let relevant = |name: &str| {
        let ours =
            name.starts_with("CARGO") || name.starts_with("HACHI_") || name.starts_with("RUST_");
        (ours && name != NOTE) || name == "LD_LIBRARY_PATH"
    };
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| relevant(name))
        .collect();
    let line = json!({
        "program": arguments.next(),
        "arguments": arguments.collect::<Vec<String>>(),
        "directory": std::env::current_dir()?,
        "environment": environment,
        "seconds": 0,
    });
    let mut file = File::options().append(true).create(true).open(note)?;
    writeln!(file, "{line}")
}

pub fn run(args: Args, out: &mut Output) -> Result {
    if args.kernel.is_empty() {
        let mut cargo = cargo();
        let records = args.record.set_up(&mut cargo)?;
        let status = cargo.arg("test").args(&args.cargo).status();
        let status = status.map_err(|error| Failure::because("cannot run cargo", &error))?;
        if let Some(records) = &records {
            args.record.write(records, out)?;
        }
        return match status.success() {
            true => Ok(()),
            false => Err(Failure::silent(Kind::Failed)),
        };
    }
    // First what may be missing or take long, then the build.
    let cross = foreign::cross(args.arch)?;
    let mut guest = match &cross {
        None => Guest::new().map_err(failure)?,
        Some(cross) => foreign::guest(cross, Program::Init)?.0,
    };
    let kernels: Vec<Kernel> = args
        .kernel
        .iter()
        .map(|version| Kernel::find_for(guest.arch(), version).map_err(failure))
        .collect::<Result<_>>()?;
    for run in noted_runs(&args.cargo, cross.as_ref())? {
        guest
            .add_run(Run {
                seconds: args.timeout,
                ..run
            })
            .map_err(failure)?;
    }
    if guest.runs().is_empty() {
        return Err(Failure::new("there is nothing to run")
            .help("see `cargo test --help` on how tests are chosen"));
    }
    for path in &args.with {
        let path =
            std::path::absolute(path).map_err(|error| Failure::because(path.display(), &error))?;
        guest.add_path(&path).map_err(failure)?;
    }
    for name in &args.program {
        guest.add_program_by_name(name).map_err(failure)?;
    }
    for name in &args.library {
        guest.add_library(name).map_err(failure)?;
    }
    for name in &args.module {
        guest.add_module(name);
    }
    let stop = stop_on_signal()?;
    // Which tests failed is in the exit code, too.
    out.go_on_unread();
    let reports = run_all(&guest, &kernels, &args, stop, out)?;
    summary(&reports, out)
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
}

/// Lets cargo build the tests, and gives what it would run.
fn noted_runs(arguments: &[String], cross: Option<&Cross>) -> Result<Vec<Run>> {
    let io = |error: std::io::Error| Failure::because("cannot note the tests", &error);
    let directory = TempDir::new().map_err(|error| Failure::because("", &error))?;
    let note = directory.path().join("runs");
    let this = std::env::current_exe().map_err(io)?;
    let target = match cross {
        Some(cross) => cross.arch().triple().to_owned(),
        None => host()?,
    };
    let runner = format!("target.{target}.runner=[{}]", json!(this));
    let own_arguments = arguments.iter().take_while(|argument| *argument != "--");
    let mut command = cargo();
    command
        .arg("test")
        .arg("--config")
        .arg(runner)
        .env(NOTE, &note);
    if let Some(cross) = cross {
        cross.set_up(&mut command);
    }
    // Documentation tests are programs of one test each, and would be noted without being built.
    if !own_arguments
        .into_iter()
        .any(|argument| selects_targets(argument))
    {
        command.arg("--tests");
    }
    let status = command
        .args(arguments)
        .stdout(std::process::Stdio::null())
        .status()
        .map_err(|error| Failure::because("cannot run cargo", &error))?;
    if !status.success() {
        return Err(Failure::new("cargo did not build the tests"));
    }
    let text = fs::read_to_string(&note).unwrap_or_default();
    text.lines()
        .map(|line| {
            serde_json::from_str(line)
                .map_err(|error| Failure::because("cannot read the notes", &error))
        })
        .collect()
}

/// Whether an argument of `cargo test` says which kinds of targets to test.
fn selects_targets(argument: &str) -> bool {
    let name = argument.split('=').next().unwrap_or(argument);
    let kinds = [
        "lib",
        "bin",
        "bins",
        "test",
        "tests",
        "example",
        "examples",
        "bench",
        "benches",
        "all-targets",
    ];
    name.strip_prefix("--")
        .is_some_and(|name| kinds.contains(&name))
}

/// The target that cargo builds for when it is told nothing else.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let output = hachi_linker::output_of(Command::new(rustc).arg("-vV"), b"")
        .map_err(|error| Failure::because("cannot run rustc", &error))?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .ok_or_else(|| Failure::new("`rustc -vV` names no host"))
}

/// The results of one kernel.
struct Report<'a> {
    /// The version asked for.
    version: &'a str,
    kernel: &'a Kernel,
    time: Duration,
    results: Vec<(String, TestResult)>,
    /// Why not all tests ran.
    problem: Option<String>,
}

impl Report<'_> {
    fn number(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.results
            .iter()
            .filter(|(_, result)| is(&result.outcome))
            .count()
    }

    fn passed(&self) -> usize {
        self.number(|outcome| *outcome == Outcome::Passed)
    }

    fn failed(&self) -> usize {
        self.number(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// Skipped and ignored.
    fn skipped(&self) -> usize {
        self.results.len() - self.passed() - self.failed()
    }

    /// The kernel's release, and a line for each thing that a test exercised.
    fn exercised(&self) -> String {
        let mut text = format!("{}\n", self.kernel.release());
        text.extend(
            self.results
                .iter()
                .map(|(_, result)| result.support.as_str()),
        );
        text
    }

    fn json(&self, guest: &Guest) -> Value {
        let tests = self.results.iter().map(|(_, result)| {
            let run = &guest.runs()[result.run];
            json!({
                "package": package(run),
                "program": program(run),
                "test": result.test,
                "outcome": result.outcome.name(),
                "reason": result.outcome.reason(),
                "milliseconds": result.duration.as_millis() as u64,
                "output": result.output,
            })
        });
        json!({
            "kernel": self.version,
            "arch": guest.arch().name(),
            "release": self.kernel.release(),
            "seconds": self.time.as_secs_f64(),
            "problem": self.problem,
            "tests": tests.collect::<Vec<_>>(),
        })
    }
}

fn package(run: &Run) -> &str {
    let variable = run
        .environment
        .iter()
        .find(|(name, _)| name == "CARGO_PKG_NAME");
    variable.map_or("", |(_, value)| value)
}

/// The program's name without the hash that cargo adds.
fn program(run: &Run) -> &str {
    let name = run.program.rsplit('/').next().unwrap_or(&run.program);
    match name.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()) => {
            name
        }
        _ => name,
    }
}

/// `package program test`, without what repeats.
fn title(run: &Run, test: Option<&str>) -> String {
    let mut parts = vec![package(run)];
    if program(run) != package(run).replace('-', "_") {
        parts.push(program(run));
    }
    parts.extend(test);
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

/// Runs all kernels, some at a time.
fn run_all<'a>(
    guest: &Guest,
    kernels: &'a [Kernel],
    args: &'a Args,
    stop: &AtomicBool,
    out: &mut Output,
) -> Result<Vec<Report<'a>>> {
    let next = Mutex::new(kernels.iter().zip(&args.kernel).enumerate());
    let reports = Mutex::new(BTreeMap::new());
    let printer = Printer::new(out);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let verbose = args.verbose || kernels.len() == 1;
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.unwrap_or(processors).clamp(1, kernels.len()) {
            scope.spawn(|| {
                loop {
                    let taken = next.lock().map(|mut next| next.next());
                    let Ok(Some((number, (kernel, version)))) = taken else {
                        break;
                    };
                    let report = run_kernel(guest, kernel, version, verbose, stop, &printer);
                    if let Ok(mut reports) = reports.lock() {
                        reports.insert(number, report);
                    }
                }
            });
        }
    });
    let reports = reports
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    printer.finish()?;
    if let Some(directory) = &args.report {
        let write = |report: &Report<'_>| {
            fs::create_dir_all(directory)?;
            let machine = match Arch::here() == Some(guest.arch()) {
                true => String::new(),
                false => format!("-{}", guest.arch()),
            };
            let name = format!("{}{machine}", report.version);
            let path = |extension| directory.join(format!("{name}.{extension}"));
            write_file(
                &path("json"),
                format!("{:#}\n", report.json(guest)).as_bytes(),
            )?;
            write_file(&path("tsv"), report.exercised().as_bytes())
        };
        for report in reports.values() {
            write(report).map_err(|error| Failure::because(directory.display(), &error))?;
        }
    }
    Ok(reports.into_values().collect())
}

fn run_kernel<'a>(
    guest: &Guest,
    kernel: &'a Kernel,
    version: &'a str,
    verbose: bool,
    stop: &AtomicBool,
    printer: &Printer<'_>,
) -> Report<'a> {
    let start = Instant::now();
    let mut results = Vec::new();
    let mut look = |result: &TestResult| {
        let run = &guest.runs()[result.run];
        let title = title(run, result.test.as_deref());
        let shown = run
            .arguments
            .iter()
            .any(|argument| argument == "--nocapture" || argument == "--show-output");
        printer.print(|out| print_result(version, &title, result, verbose, shown, out));
        results.push((title, result.clone()));
    };
    let problem = guest
        .run(kernel, stop, &mut look)
        .err()
        .map(|error| error.to_string());
    let report = Report {
        version,
        kernel,
        time: start.elapsed(),
        results,
        problem,
    };
    if let Some(problem) = &report.problem {
        printer.print(|out| {
            let mut lines = problem.lines();
            let first = lines.next().unwrap_or_default();
            say!(out, Styled(BAD, version), " ", first)?;
            lines.try_for_each(|line| say!(out, line))
        });
    }
    report
}

/// Prints from several threads, until that fails.
struct Printer<'o>(Mutex<(&'o mut Output, Result)>);

impl<'o> Printer<'o> {
    fn new(out: &'o mut Output) -> Printer<'o> {
        Printer(Mutex::new((out, Ok(()))))
    }

    fn print(&self, print: impl FnOnce(&mut Output) -> Result) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (out, result) = &mut *guard;
        if result.is_ok() {
            // Each result is seen when it is there.
            *result = print(out).and_then(|()| out.flush());
        }
    }

    fn finish(self) -> Result {
        let (_, result) = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        result
    }
}

fn print_result(
    version: &str,
    title: &str,
    result: &TestResult,
    verbose: bool,
    shown: bool,
    out: &mut Output,
) -> Result {
    let seconds = result.duration.as_secs_f64();
    let failed = matches!(result.outcome, Outcome::Failed(_));
    if !failed && !verbose && !shown {
        return Ok(());
    }
    let outcome = Text::default();
    let outcome = match &result.outcome {
        Outcome::Failed(reason) => outcome.and_in(BAD, "FAILED").and(": ").and(reason),
        Outcome::Passed => outcome.and_in(GOOD, "ok"),
        other => match other.reason() {
            Some(reason) => outcome.and_in(WARN, other.name()).and(": ").and(reason),
            None => outcome.and_in(WARN, other.name()),
        },
    };
    let time = dim(format!("({seconds:.2} s)"));
    say!(out, version, " ", title, " ", time, " ", outcome)?;
    if failed || shown {
        for line in result.output.trim_end().lines() {
            say!(out, "    ", line)?;
        }
    }
    Ok(())
}

fn summary(reports: &[Report<'_>], out: &mut Output) -> Result {
    say!(out)?;
    out.table(
        ["kernel", "release", "passed", "failed", "skipped", "time"],
        reports.iter().map(|report| {
            [
                report.version.to_owned(),
                report.kernel.release().to_owned(),
                report.passed().to_string(),
                report.failed().to_string(),
                report.skipped().to_string(),
                format!("{:.1} s", report.time.as_secs_f64()),
            ]
        }),
    )?;
    for title in never_run(reports) {
        say!(out, Styled(WARN, "skipped on every kernel"), ": ", title)?;
    }
    let failed: usize = reports.iter().map(Report::failed).sum();
    let broken: Vec<&str> = reports
        .iter()
        .filter(|report| report.problem.is_some())
        .map(|report| report.version)
        .collect();
    if failed == 0 && broken.is_empty() {
        return Ok(());
    }
    let mut message = count(failed, "failed test");
    if !broken.is_empty() {
        message = format!("{message}; not all was run on {}", broken.join(", "));
    }
    Err(Failure::new(message))
}

/// The tests that no kernel ran, although there was a choice.
fn never_run<'a>(reports: &'a [Report<'_>]) -> BTreeSet<&'a str> {
    let results = || reports.iter().flat_map(|report| &report.results);
    let ran: BTreeSet<&str> = results()
        .filter(|(_, result)| matches!(result.outcome, Outcome::Passed | Outcome::Failed(_)))
        .map(|(title, _)| title.as_str())
        .collect();
    let skipped = results().filter(|(_, result)| matches!(result.outcome, Outcome::Skipped(_)));
    match reports.len() {
        0 | 1 => BTreeSet::new(),
        _ => skipped
            .map(|(title, _)| title.as_str())
            .filter(|title| !ran.contains(title))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(program: &str, package: &str) -> Run {
        Run {
            program: program.to_owned(),
            environment: vec![("CARGO_PKG_NAME".to_owned(), package.to_owned())],
            ..Run::default()
        }
    }

    #[test]
    fn titles_say_each_thing_once() {
        let unit = run("/t/debug/deps/fire_wall-0123456789abcdef", "fire-wall");
        assert_eq!(title(&unit, Some("tests::a")), "fire-wall tests::a");
        let integration = run("/t/debug/deps/drop-it-0123456789abcdef", "fire-wall");
        assert_eq!(title(&integration, None), "fire-wall drop-it");
        assert_eq!(title(&run("/t/plain", ""), Some("a")), "plain a");
    }

    #[test]
    fn a_choice_of_targets_is_seen() {
        for argument in ["--lib", "--test", "--test=x", "--all-targets"] {
            assert!(selects_targets(argument), "{argument}");
        }
        for argument in ["-p", "--package", "name", "--release", "tests"] {
            assert!(!selects_targets(argument), "{argument}");
        }
    }
}
