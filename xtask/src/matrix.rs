//! The kernel matrix: integration tests on other kernels, by `hachi test --kernel`.

use crate::install::{self, QEMU};
use crate::shell::{Result, capture, cargo, root, run as run_command, target_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The kernels of each submission: the oldest that we say we work on, and the newest. One guest per
/// processor of a small machine.
pub const KERNELS: &str = "5.10,7";

/// The kernels of the long run: long-lived ones in between as well.
pub const ALL_KERNELS: &str = "5.10,6.1,6.12,6.18,7";

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

/// The system's libbpf, which some tests load objects with.
fn libbpf() -> Option<PathBuf> {
    let places = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let files = places.map(|directory| Path::new(directory).join("libbpf.so.1"));
    files.into_iter().find(|file| file.is_file())
}

/// The reason why no other kernel can be run here, after what is missing was installed if possible.
pub fn obstacle() -> Option<String> {
    install::ensure(&[QEMU]).pop().map(|(_, reason)| reason)
}

/// A run of tests on the kernels, with the fixtures built: `hachi test …`, to which arguments of
/// `cargo test` may be added. The results go to `report`, a file for each kernel.
pub fn command(hachi: &Path, kernels: &str, report: Option<&Path>) -> Result<Command> {
    let mut fixtures = cargo(root());
    fixtures
        .args([
            "run",
            "--quiet",
            "--package",
            "hachi-tests",
            "--bin",
            "fixtures",
        ])
        .env("HACHI_BIN", hachi);
    let fixtures = capture(&mut fixtures)?;
    let mut test = Command::new(hachi);
    test.current_dir(root()).env("HACHI_BIN", hachi);
    test.args(["test", "--kernel", kernels, "--with", fixtures.trim()]);
    for file in FILES {
        test.arg("--with").arg(root().join(file));
    }
    if let Some(libbpf) = libbpf() {
        test.arg("--program").arg(libbpf);
    }
    if let Some(directory) = report {
        test.arg("--report").arg(directory);
    }
    test.arg("--");
    Ok(test)
}

/// Adds the choice of all that the matrix is about.
pub fn all(test: &mut Command) -> &mut Command {
    for package in PACKAGES {
        test.args(["--package", package]);
    }
    test
}

/// `cargo xtask guest --kernel VERSIONS CARGO-TEST-ARGUMENTS…`: any tests on any kernels.
pub fn guest(arguments: &[&str]) -> Result<ExitCode> {
    let ["--kernel", kernels, arguments @ ..] = arguments else {
        eprintln!("cargo xtask guest --kernel VERSION[,VERSION…] CARGO-TEST-ARGUMENTS…");
        return Ok(ExitCode::from(2));
    };
    if let Some(reason) = obstacle() {
        return Err(reason.into());
    }
    run_command(cargo(root()).args(["build", "--quiet", "--package", "hachi-cli"]))?;
    let mut test = command(&target_dir().join("debug/hachi"), kernels, None)?;
    run_command(test.args(arguments))?;
    Ok(ExitCode::SUCCESS)
}
