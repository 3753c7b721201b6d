//! The kernel matrix: integration tests on other kernels, by `hachi test --kernel`.

use crate::install::{self, QEMU};
use crate::shell::{
    Result, capture, cargo, examples_target_dir, root, run as run_command, target_dir,
};
use std::path::Path;
use std::process::{Command, ExitCode};

/// The kernels of each submission: the oldest that we say we work on, and the newest. One guest per
/// processor of a small machine.
pub const KERNELS: &str = "5.10,7";

/// The kernels of the long run: long-lived ones in between as well.
pub const ALL_KERNELS: &str = "5.10,6.1,6.12,6.18,7";

/// The kernel that tests run on in guests of other kinds of machines.
pub const MACHINES_KERNEL: &str = "6.12";

/// Those kinds, and about a quarter of the loader's tests: what depends on the machine (registers,
/// layouts, shared memory). All of them run by `cargo xtask guest`.
pub const MACHINES: &[(&str, &[&str])] = &[("arm64", &["load", "maps", "uprobe"])];

/// The packages whose tests have to do with the kernel.
const PACKAGES: &[&str] = &["hachi", "hachi-tests"];

/// Tests that need what no kernel for cloud machines has: infrared receivers. They run where there
/// is one.
pub const NOWHERE: &[&str] = &["hachi lirc_mode2 pulses_are_seen"];

/// Files that tests read and that are not in their own package.
const FILES: &[&str] = &[
    "crates/hachi-obj/tests/data",
    "tests/fixtures",
    "tests/objects",
];

/// The reason why no other kernel can be run here, after what is missing was installed if possible.
pub fn obstacle() -> Option<String> {
    install::ensure(&[QEMU]).pop().map(|(_, reason)| reason)
}

/// A run of tests on the kernels, with the fixtures built: `hachi test …`, to which arguments of
/// `cargo test` may be added. The results go to `report`, a file for each kernel.
pub fn command(hachi: &Path, kernels: &str, report: Option<&Path>) -> Result<Command> {
    prepared(hachi, kernels, report, &mut cargo(root()))
}

/// As [`command`], with programs of projects of `hachi new` among the fixtures.
pub fn command_with_templates(hachi: &Path, kernels: &str) -> Result<Command> {
    let mut cargo = cargo(root());
    cargo
        .env("HACHI_TEMPLATES", "1")
        .env("HACHI_EXAMPLES_TARGET", examples_target_dir());
    prepared(hachi, kernels, None, &mut cargo)
}

/// A run of tests whose fixtures this cargo builds.
fn prepared(
    hachi: &Path,
    kernels: &str,
    report: Option<&Path>,
    fixtures: &mut Command,
) -> Result<Command> {
    let fixtures = built_fixtures(hachi, fixtures)?;
    let mut test = Command::new(hachi);
    test.current_dir(root()).env("HACHI_BIN", hachi);
    test.args(["test", "--kernel", kernels, "--with", &fixtures]);
    finish(&mut test, report);
    Ok(test)
}

/// Adds what all guests are given, up to the arguments of `cargo test`.
fn finish(test: &mut Command, report: Option<&Path>) {
    for file in FILES {
        test.arg("--with").arg(root().join(file));
    }
    // Some tests load objects with it.
    test.args(["--library", "libbpf.so.1"]);
    if let Some(directory) = report {
        test.arg("--report").arg(directory);
    }
    test.arg("--");
}

/// Builds the fixtures with this cargo, and gives the directory that they are in.
fn built_fixtures(hachi: &Path, cargo: &mut Command) -> Result<String> {
    let program = ["--package", "hachi-tests", "--bin", "fixtures"];
    cargo.args(["run", "--quiet"]).args(program);
    let printed = capture(cargo.env("HACHI_BIN", hachi))?;
    Ok(printed.trim().to_owned())
}

/// The command's own tests that have to do with the kernel: what is attached, listed and ended.
/// They are a run of their own, since cargo chooses test programs by name in all packages at once.
pub fn of_the_command(hachi: &Path, kernels: &str) -> Command {
    let mut test = Command::new(hachi);
    test.current_dir(root()).env("HACHI_BIN", hachi);
    test.args(["test", "--kernel", kernels, "--with"])
        .arg(hachi);
    test.arg("--with")
        .arg(root().join("crates/hachi-cli/tests/objects"));
    test.args([
        "--",
        "--package",
        "hachi-cli",
        "--test",
        "run",
        "--test",
        "links",
    ]);
    test
}

/// Adds the choice of all that the matrix is about.
pub fn all(test: &mut Command) -> &mut Command {
    for package in PACKAGES {
        test.args(["--package", package]);
    }
    test
}

/// `cargo xtask guest --kernel VERSIONS [--arch ARCH] CARGO-TEST-ARGUMENTS…`: any tests on any
/// kernels, of machines of any kind.
pub fn guest(arguments: &[&str]) -> Result<ExitCode> {
    let (kernels, arch, arguments) = match arguments {
        ["--kernel", kernels, "--arch", arch, rest @ ..]
        | ["--arch", arch, "--kernel", kernels, rest @ ..] => (kernels, Some(*arch), rest),
        ["--kernel", kernels, rest @ ..] => (kernels, None, rest),
        _ => {
            eprintln!(
                "cargo xtask guest --kernel VERSION[,VERSION…] [--arch ARCH] CARGO-TEST-ARGUMENTS…"
            );
            return Ok(ExitCode::from(2));
        }
    };
    let obstacle = match arch {
        None => obstacle(),
        Some(arch) => obstacle_of(arch),
    };
    if let Some(reason) = obstacle {
        return Err(reason.into());
    }
    run_command(cargo(root()).args(["build", "--quiet", "--package", "hachi-cli"]))?;
    let hachi = target_dir().join("debug/hachi");
    let mut test = match arch {
        None => command(&hachi, kernels, None)?,
        Some(arch) => of_another_machine(&hachi, arch, kernels, arguments, None)?,
    };
    run_command(test.args(arguments))?;
    Ok(ExitCode::SUCCESS)
}

/// The reason why no guest of that kind can be run here, after what is missing was installed if
/// possible.
pub fn obstacle_of(arch: &str) -> Option<String> {
    let tools = match arch {
        "arm64" | "aarch64" => install::ARM64,
        "s390x" => install::S390X,
        "riscv64" => install::RISCV64,
        _ => return None,
    };
    install::ensure(tools).pop().map(|(_, reason)| reason)
}

/// As [`command`], for guests of another kind of machine. Fixtures are built for it if the tests
/// are those that load them: the arguments of `cargo test` tell.
pub fn of_another_machine(
    hachi: &Path,
    arch: &str,
    kernels: &str,
    arguments: &[&str],
    report: Option<&Path>,
) -> Result<Command> {
    let wants = |argument: &&str| ["hachi-tests", "--workspace"].contains(argument);
    let mut test = Command::new(hachi);
    test.current_dir(root())
        .env("HACHI_BIN", hachi)
        // It may add what programs for that machine are built with, as this command may.
        .env("HACHI_YES", "1")
        .args(["test", "--kernel", kernels, "--arch", arch]);
    if arguments.iter().any(wants) {
        let mut fixtures = cargo(root());
        fixtures.env("HACHI_GUEST_ARCH", arch).env("HACHI_YES", "1");
        let built = built_fixtures(hachi, &mut fixtures)?;
        test.arg("--with").arg(built);
    }
    finish(&mut test, report);
    Ok(test)
}
