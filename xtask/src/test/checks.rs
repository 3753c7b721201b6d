//! What each step of `cargo xtask test` does.

use super::tally::{Tally, matrix_row};
use crate::install::{self, BPFTOOL, CLANG, IP, LIBELF, NC, PING, QEMU};
use crate::shell::{
    Result, capture, cargo, examples_target_dir, other_workspaces, root, run as run_command,
    rustc_host, target_dir, watch,
};
use crate::{codegen, first_xdp, fuzz, matrix as guests, package, style, support};
use std::path::PathBuf;
use std::process::Command;

pub fn tools(tally: &mut Tally) -> Result {
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

pub fn format(_: &mut Tally) -> Result {
    for directory in [
        vec![root().to_owned(), fuzz::workspace()],
        other_workspaces(),
    ]
    .concat()
    {
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

pub fn codegen(_: &mut Tally) -> Result {
    Ok(codegen::run(true)?)
}

pub fn clippy(_: &mut Tally) -> Result {
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

pub fn doc(_: &mut Tally) -> Result {
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
pub fn hachi() -> PathBuf {
    target_dir().join("debug/hachi")
}

/// Builds that command and nothing else.
pub fn build_hachi() -> Result {
    run_command(cargo(root()).args(["build", "--quiet", "--package", "hachi-cli"]))
}

pub fn build(_: &mut Tally) -> Result {
    let mut build = cargo(root());
    // With the features of the tests that follow, so that they find it built.
    run_command(build.args(["build", "--quiet", "--all-features", "--workspace"]))?;
    // Once here, so that a toolchain that has to be fetched or built is not part of a test's time.
    let mut doctor = Command::new(hachi());
    run_command(doctor.arg("doctor").env("HACHI_YES", "1"))
}

/// The façades with each choice of features that changes their shape, and what is written for them.
pub fn aya(tally: &mut Tally) -> Result {
    for features in ["", "v0_13", "async_tokio"] {
        let mut check = cargo(root());
        check.args(["check", "--quiet", "--package", "hachi-aya"]);
        run_command(check.args(["--features", features]))?;
    }
    let mut test = cargo(root());
    test.args(["test", "--package", "hachi-tests", "--test", "aya"])
        .env("HACHI_BIN", hachi());
    match tally.cargo_test(&mut test)? {
        0 => Err("no test ran".into()),
        _ => Ok(()),
    }
}

pub fn tests(tally: &mut Tally) -> Result {
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

/// The attack on the command, on a sample of the places to strike at or on many more.
pub fn attack(tally: &mut Tally, is_long: bool) -> Result {
    let mut test = cargo(root());
    test.args([
        "test",
        "--all-features",
        "--package",
        "hachi-cli",
        "--test",
        "attack",
    ]);
    test.args(["--", "--ignored"]);
    if is_long {
        test.env("HACHI_ATTACK", "long");
    }
    match tally.cargo_test(&mut test)? {
        0 => Err("no test ran".into()),
        _ => Ok(()),
    }
}

/// Runs the kernel matrix. A test has to run somewhere: one that was skipped on this machine
/// and then on every kernel has failed.
pub fn matrix(tally: &mut Tally, kernels: &str) -> Result {
    if let Some(reason) = guests::obstacle() {
        tally.skip("matrix", reason);
        return Ok(());
    }
    let mut command = guests::command(&hachi(), kernels, Some(&support::directory()))?;
    let mut nowhere = Vec::new();
    let succeeded = watch(guests::all(&mut command), |line| {
        if let Some([passed, failed, skipped]) = matrix_row(line) {
            tally.passed += passed;
            tally.failed += failed;
            tally.skipped += skipped;
        } else if let Some((test, reason)) = line.split_once(" FAILED: ") {
            tally.failures.push(format!("{test}: {reason}"));
        } else if let Some(title) = line.strip_prefix("skipped on every kernel: ") {
            let test = title.rsplit(' ').next().unwrap_or(title);
            let here = format!("skipped {test}: ");
            let skipped_here = tally.skips.iter().any(|skip| skip.starts_with(&here));
            if skipped_here && !guests::NOWHERE.contains(&title) {
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

pub fn examples(tally: &mut Tally) -> Result {
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

pub fn new_project(tally: &mut Tally) -> Result {
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

/// What each template becomes, beyond what [`new_project`] checks of one of them.
pub fn templates(tally: &mut Tally) -> Result {
    new_project(tally)?;
    let directory = hachi_test::TempDir::new()?;
    for template in std::fs::read_dir(root().join("crates/hachi-cli/templates"))? {
        let template = template?.file_name().to_string_lossy().into_owned();
        let name = format!("from-{template}");
        println!("template {template}");
        let mut new = Command::new(hachi());
        new.args(["new", &name, "--template", &template]);
        capture(new.current_dir(directory.path()))?;
        let in_project = |command: &str| {
            let mut cargo = cargo(&directory.join(&name));
            cargo
                .arg(command)
                .env("CARGO_TARGET_DIR", examples_target_dir());
            cargo
        };
        run_command(in_project("fmt").args(["--all", "--check"]))?;
        let mut clippy = in_project("clippy");
        clippy.args(["--quiet", "--workspace", "--all-targets"]);
        run_command(clippy.args(["--", "-D", "warnings"]))?;
        if tally.cargo_test(in_project("test").arg("--workspace"))? == 0 {
            return Err(format!("the project of template {template} has no test").into());
        }
    }
    Ok(())
}

pub fn seeds(tally: &mut Tally) -> Result {
    match tally.cargo_test(&mut fuzz::seeds())? {
        0 => Err("no fuzz target ran".into()),
        _ => Ok(()),
    }
}

/// The portable crates, whose `unsafe` code needs no kernel, and the kernel that tests of programs
/// run on, under AddressSanitizer and with the checks that the standard library makes of callers of
/// its unsafe functions.
///
/// Both are unstable flags of the same compiler; Miri, which would see more, is a component that
/// not every toolchain has, and knows nothing of the system calls in the tests.
pub fn memory(tally: &mut Tally) -> Result {
    const WHAT: [&[&str]; 3] = [
        &[
            "--package",
            "hachi-common",
            "--package",
            "hachi-asm",
            "--lib",
            "--tests",
        ],
        // Their damaged inputs by the thousand are the fuzz targets'.
        &["--package", "hachi-obj", "--package", "hachi-btf", "--lib"],
        // One of its tests runs cargo, which these flags are not for.
        &[
            "--package",
            "hachi-ebpf",
            "--lib",
            "--test",
            "fakes",
            "--test",
            "macros",
        ],
    ];
    for packages in WHAT {
        let mut test = cargo(root());
        // With a target, the flags are not for build scripts and procedural macros.
        test.args(["test", "--all-features", "--target", &rustc_host()?])
            .args(packages)
            .arg("--target-dir")
            .arg(target_dir().join("memory"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env(
                "RUSTFLAGS",
                "-Zsanitizer=address -Zub-checks=yes -Cdebug-assertions=yes",
            )
            // Memory of removed entries of maps is never used again, and never given back.
            .env("ASAN_OPTIONS", "detect_leaks=0");
        if tally.cargo_test(&mut test)? == 0 {
            return Err("no test ran".into());
        }
    }
    Ok(())
}

pub fn fuzz(tally: &mut Tally) -> Result {
    tally.passed += fuzz::run(60, &[])?;
    Ok(())
}

pub fn package(tally: &mut Tally) -> Result {
    for reason in package::check()? {
        tally.skip("package", reason);
    }
    Ok(())
}

pub fn demo(tally: &mut Tally) -> Result {
    if let Err(reason) = hachi_test::bpf_available() {
        tally.skip("demo", reason);
        return Ok(());
    }
    // Not by this program's own path: an earlier step may have built it again.
    let mut demo = Command::new(target_dir().join("debug/xtask"));
    run_command(demo.args(["demo", "--fast"]).env("HACHI_BIN", hachi()))
}
