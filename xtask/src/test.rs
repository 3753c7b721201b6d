//! `cargo xtask test`: everything CI checks, with one summary.

use crate::install::{self, BPFTOOL, CLANG, IP, LIBELF, NC, PING, QEMU};
use crate::shell::{
    Result, bold, capture, cargo, dim, examples_target_dir, green, other_workspaces, red, root,
    run as run_command, target_dir, watch,
};
use crate::{book, codegen, first_xdp, floors, manifests, matrix, package, style, support};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// One thing that is checked: its name, what it is for, and how.
struct Step {
    name: &'static str,
    about: &'static str,
    check: fn(&mut Tally) -> Result,
}

/// In this order: the quick ones first, and nothing is built twice.
const STEPS: &[Step] = &[
    Step {
        name: "tools",
        about: "the small programs that tests run are there",
        check: tools,
    },
    Step {
        name: "licences",
        about: "every crate is under its side's licence",
        check: |_| manifests::check(),
    },
    Step {
        name: "format",
        about: "rustfmt has nothing to change, and no line of Rust is too long",
        check: format,
    },
    Step {
        name: "style",
        about: "plain phrases, no paths of one machine, no missing code",
        check: |_| style::check(),
    },
    Step {
        name: "floors",
        about: "no import runs up, between crates and inside hachi",
        check: |_| floors::check(),
    },
    Step {
        name: "book",
        about: "chapters and the code they include exist",
        check: |_| book::check(),
    },
    Step {
        name: "codegen",
        about: "the generated tables are what the generator makes",
        check: codegen,
    },
    Step {
        name: "support",
        about: "docs/support.md has every kind of program, and its tests exist",
        check: |_| support::check(),
    },
    Step {
        name: "clippy",
        about: "no warnings in the workspace",
        check: clippy,
    },
    Step {
        name: "doc",
        about: "no warnings from rustdoc",
        check: doc,
    },
    Step {
        name: "build",
        about: "the hachi command builds, and finds or installs a toolchain for eBPF",
        check: build,
    },
    Step {
        name: "tests",
        about: "unit, documentation and live tests of the workspace",
        check: tests,
    },
    Step {
        name: "matrix",
        about: "the integration tests again, on other kernels",
        check: |tally| tally.matrix(matrix::KERNELS),
    },
    Step {
        name: "examples",
        about: "the examples: no warnings, and their own tests pass",
        check: examples,
    },
    Step {
        name: "new",
        about: "what `hachi new` writes is examples/first-xdp, and its tests pass",
        check: new_project,
    },
    Step {
        name: "package",
        about: "crates can be published: contents, public API, the command installed from them",
        check: package,
    },
    Step {
        name: "demo",
        about: "`cargo xtask demo` shows what it claims",
        check: demo,
    },
];

/// What was counted so far.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// What failed, by name.
    failures: Vec<String>,
    /// What was skipped, with the reason.
    skips: BTreeSet<String>,
}

/// Runs the steps named in `arguments`, or all.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    if arguments == ["--list"] {
        for step in STEPS {
            println!("{:10} {}", step.name, step.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    for name in arguments {
        if !STEPS.iter().any(|step| step.name == *name) {
            let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
            eprintln!("no step `{name}`; there are {}", names.join(", "));
            return Ok(ExitCode::from(2));
        }
    }
    let wanted = |step: &&Step| arguments.is_empty() || arguments.contains(&step.name);
    Ok(run_steps(STEPS.iter().filter(wanted)))
}

/// The matrix alone, on these kernels: versions separated by commas.
pub fn matrix_on(kernels: &str) -> Result<ExitCode> {
    build_hachi()?;
    let mut tally = Tally::default();
    if let Err(error) = tally.matrix(kernels) {
        tally.failed += 1;
        tally.failures.push(error.to_string());
    }
    Ok(tally.close())
}

fn run_steps<'a>(steps: impl Iterator<Item = &'a Step>) -> ExitCode {
    let mut tally = Tally::default();
    for step in steps {
        println!("{}", bold(format!("== {}: {}", step.name, step.about)));
        let start = Instant::now();
        match (step.check)(&mut tally) {
            Ok(()) => {
                tally.passed += 1;
                println!("{} {:.1?}", green(step.name), start.elapsed());
            }
            Err(error) => {
                tally.failed += 1;
                println!("{} {error}", red(format!("{} FAILED:", step.name)));
                tally.failures.push(step.name.to_owned());
            }
        }
    }
    tally.close()
}

impl Tally {
    /// Prints the summary.
    fn close(&self) -> ExitCode {
        println!();
        for skip in &self.skips {
            println!("{}", dim(skip));
        }
        for failure in &self.failures {
            println!("{} {failure}", red("failed"));
        }
        println!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        );
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn skip(&mut self, name: &str, reason: impl std::fmt::Display) {
        self.skipped += 1;
        let line = format!("skipped {name}: {reason}");
        println!("{line}");
        self.skips.insert(line);
    }

    /// Runs a `cargo test` and adds up its closing lines; gives how many tests ran. A test that
    /// skipped itself counts as skipped, not as passed.
    fn cargo_test(&mut self, command: &mut Command) -> Result<usize> {
        let skip_file = target_dir().join("skipped-tests");
        let _ = std::fs::remove_file(&skip_file);
        command.env("HACHI_TEST_SKIPS", &skip_file);
        let mut counted = 0;
        let mut failures = Vec::new();
        let succeeded = watch(command, |line| {
            if let Some([passed, failed, ignored]) = closing_line(line) {
                counted += passed + failed;
                self.passed += passed;
                self.failed += failed;
                self.skipped += ignored;
            } else if let Some(name) = line
                .strip_prefix("test ")
                .and_then(|line| line.strip_suffix(" ... FAILED"))
            {
                failures.push(name.to_owned());
            }
        })?;
        self.failures.append(&mut failures);
        let skips = std::fs::read_to_string(&skip_file).unwrap_or_default();
        for line in skips.lines() {
            self.skipped += 1;
            self.passed = self.passed.saturating_sub(1);
            self.skips.insert(line.to_owned());
        }
        if succeeded {
            Ok(counted)
        } else {
            Err("see above".into())
        }
    }

    /// Runs the kernel matrix. A test has to run somewhere: one that was skipped on this machine
    /// and then on every kernel has failed.
    fn matrix(&mut self, kernels: &str) -> Result {
        if let Some(reason) = matrix::obstacle() {
            self.skip("matrix", reason);
            return Ok(());
        }
        let mut command = matrix::command(&hachi(), kernels, Some(&support::directory()))?;
        let mut nowhere = Vec::new();
        let succeeded = watch(matrix::all(&mut command), |line| {
            if let Some([passed, failed, skipped]) = matrix_row(line) {
                self.passed += passed;
                self.failed += failed;
                self.skipped += skipped;
            } else if let Some(title) = line.strip_prefix("skipped on every kernel: ") {
                let test = title.rsplit(' ').next().unwrap_or(title);
                let here = format!("skipped {test}: ");
                let skipped_here = self.skips.iter().any(|skip| skip.starts_with(&here));
                if skipped_here && !matrix::NOWHERE.contains(&title) {
                    nowhere.push(title.to_owned());
                }
            }
        })?;
        let lost = support::regressions()?;
        if !lost.is_empty() {
            return Err(format!("docs/support.md says otherwise: {}", lost.join("; ")).into());
        }
        if !nowhere.is_empty() {
            return Err(format!("skipped here and on every kernel: {}", nowhere.join(", ")).into());
        }
        match succeeded {
            true => Ok(()),
            false => Err("see above".into()),
        }
    }
}

/// Reads a row of the matrix's table, `6.1  6.1.0-56-cloud-amd64  65  1  2  45.2 s`, as
/// `[65, 1, 2]`.
fn matrix_row(line: &str) -> Option<[usize; 3]> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [version, release, passed, failed, skipped, _, "s"] = words[..] else {
        return None;
    };
    release.starts_with(version).then_some(())?;
    Some([
        passed.parse().ok()?,
        failed.parse().ok()?,
        skipped.parse().ok()?,
    ])
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …` as `[3, 0, 1]`.
fn closing_line(line: &str) -> Option<[usize; 3]> {
    let rest = line.strip_prefix("test result: ")?;
    let (_, rest) = rest.split_once(". ")?;
    let mut counts = rest.split("; ").map(|part| {
        let (number, _) = part.split_once(' ')?;
        number.parse().ok()
    });
    Some([counts.next()??, counts.next()??, counts.next()??])
}

fn tools(tally: &mut Tally) -> Result {
    install::ensure_component("rustfmt")?;
    install::ensure_component("clippy")?;
    for (tool, reason) in install::ensure(&[IP, PING, NC, BPFTOOL, CLANG, LIBELF, QEMU]) {
        tally.skip(&format!("what needs `{}`", tool.program), reason);
    }
    if let Err(reason) = hachi_test::bpf_available() {
        println!("live tests will be skipped: {reason}");
    }
    Ok(())
}

fn format(_: &mut Tally) -> Result {
    for directory in [vec![root().to_owned()], other_workspaces()].concat() {
        run_command(cargo(&directory).args(["fmt", "--all", "--check"]))?;
    }
    // Single files belong to no package.
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024", "--check"]);
    for entry in std::fs::read_dir(root().join("tests/fixtures"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            rustfmt.arg(path);
        }
    }
    run_command(&mut rustfmt)?;
    style::long_lines()
}

fn codegen(_: &mut Tally) -> Result {
    Ok(codegen::run(true)?)
}

fn clippy(_: &mut Tally) -> Result {
    let mut clippy = cargo(root());
    clippy.args([
        "clippy",
        "--quiet",
        "--all-features",
        "--workspace",
        "--all-targets",
    ]);
    run_command(clippy.args(["--", "-D", "warnings"]))?;
    // The loader with none of its features, and with each alone.
    for feature in ["", "config-gz", "tokio", "uprobe"] {
        let mut alone = cargo(root());
        alone.args(["clippy", "--quiet", "--package", "hachi"]);
        alone.args(["--no-default-features", "--features", feature]);
        run_command(alone.args(["--", "-D", "warnings"]))?;
    }
    // The kernel side a second time, as it is compiled for the kernel, but with the host's
    // instruction set, whose `core` is always there.
    let mut kernel_side = cargo(root());
    kernel_side
        .args(["clippy", "--quiet", "--package", "hachi-ebpf"])
        .env("RUSTFLAGS", "--cfg hachi_bpf")
        .env("CARGO_TARGET_DIR", target_dir().join("kernel-side"));
    run_command(kernel_side.args(["--", "-D", "warnings"]))
}

fn doc(_: &mut Tally) -> Result {
    let mut doc = cargo(root());
    doc.args([
        "doc",
        "--quiet",
        "--all-features",
        "--workspace",
        "--no-deps",
    ]);
    run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// The `hachi` command that the later steps use.
fn hachi() -> PathBuf {
    target_dir().join("debug/hachi")
}

/// Builds that command and nothing else.
fn build_hachi() -> Result {
    run_command(cargo(root()).args(["build", "--quiet", "--package", "hachi-cli"]))
}

fn build(_: &mut Tally) -> Result {
    let mut build = cargo(root());
    // With the features of the tests that follow, so that they find it built.
    run_command(build.args(["build", "--quiet", "--all-features", "--workspace"]))?;
    // Once here, so that a toolchain that has to be fetched or built is not part of a test's time.
    let mut doctor = Command::new(hachi());
    run_command(doctor.arg("doctor").env("HACHI_YES", "1"))
}

fn tests(tally: &mut Tally) -> Result {
    let mut test = cargo(root());
    test.args(["test", "--all-features", "--workspace", "--no-fail-fast"]);
    test.env("HACHI_BIN", hachi())
        .env("HACHI_TEST_SUPPORT", support::begin_here()?)
        .env("HACHI_EXAMPLES_TARGET", examples_target_dir());
    match tally.cargo_test(&mut test)? {
        0 => Err("no test ran".into()),
        _ => Ok(()),
    }
}

fn examples(tally: &mut Tally) -> Result {
    for directory in other_workspaces() {
        let mut clippy = cargo(&directory);
        clippy
            .args(["clippy", "--quiet", "--workspace", "--all-targets"])
            .env("CARGO_TARGET_DIR", examples_target_dir());
        run_command(clippy.args(["--", "-D", "warnings"]))?;
        let mut test = cargo(&directory);
        test.args(["test", "--workspace"])
            .env("CARGO_TARGET_DIR", examples_target_dir());
        // Some have none: `tests` runs them from outside.
        tally.cargo_test(&mut test)?;
    }
    Ok(())
}

fn new_project(tally: &mut Tally) -> Result {
    // Where it is makes no difference to the project, but a cargo workspace above it would.
    let directory = hachi_test::TempDir::new()?;
    let mut new = Command::new(hachi());
    new.args(["new", first_xdp::NAME, "--template", "xdp"]);
    print!("{}", capture(new.current_dir(directory.path()))?);
    let project = directory.join(first_xdp::NAME);
    first_xdp::compare(&project)?;
    let in_project = || {
        let mut command = cargo(&project);
        command.env("CARGO_TARGET_DIR", examples_target_dir());
        command
    };
    // Warnings were looked for in the example that it is equal to.
    match tally.cargo_test(in_project().args(["test", "--workspace"]))? {
        0 => Err("the project has no test".into()),
        _ => Ok(()),
    }
}

fn package(tally: &mut Tally) -> Result {
    for reason in package::check()? {
        tally.skip("package", reason);
    }
    Ok(())
}

fn demo(tally: &mut Tally) -> Result {
    if let Err(reason) = hachi_test::bpf_available() {
        tally.skip("demo", reason);
        return Ok(());
    }
    // Not by this program's own path: an earlier step may have built it again.
    let mut demo = Command::new(target_dir().join("debug/xtask"));
    run_command(demo.args(["demo", "--fast"]).env("HACHI_BIN", hachi()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        let line = "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered \
                    out; finished in 0.5s";
        assert_eq!(closing_line(line), Some([12, 1, 2]));
        assert_eq!(closing_line("test result of mine"), None);
        assert_eq!(closing_line("running 3 tests"), None);
    }

    #[test]
    fn rows_of_the_matrix_are_read() {
        let row = "6.1     6.1.0-56-cloud-amd64  65      1       2        45.2 s";
        assert_eq!(matrix_row(row), Some([65, 1, 2]));
        assert_eq!(
            matrix_row("KERNEL  RELEASE  PASSED  FAILED  SKIPPED  TIME"),
            None
        );
        assert_eq!(matrix_row(""), None);
    }

    #[test]
    fn step_names_are_unique() {
        let names: BTreeSet<&str> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), STEPS.len());
    }
}
