//! What each step of `cargo xtask test` does.

use super::tally::{Tally, matrix_row};
use crate::install::{
    self, BPFTOOL, CLANG, CODESPELL, GDB, GO, IP, LIBELF, MUSL, NC, PING, QEMU, REGISTRY, SKOPEO,
};
use crate::shell::{
    Result, capture, cargo, examples_target_dir, other_workspaces, root, run as run_command,
    rustc_host, target_dir, watch,
};
use crate::{
    book, codegen, first_xdp, fuzz, matrix as guests, package, picture, prose, spelling, style,
    support,
};
use std::path::PathBuf;
use std::process::Command;

/// What tests want of the machine.
const TOOLS: [install::Tool; 13] = [
    IP, PING, NC, BPFTOOL, CLANG, LIBELF, QEMU, REGISTRY, SKOPEO, GO, MUSL, CODESPELL, GDB,
];

pub fn tools(tally: &mut Tally) -> Result {
    install::ensure_component("rustfmt")?;
    install::ensure_component("clippy")?;
    for (tool, reason) in install::ensure(&TOOLS) {
        tally.skip(&format!("what needs `{}`", tool.program), reason);
    }
    if let Err(reason) = hachi_test::bpf_available() {
        println!("live tests will be skipped: {reason}");
    }
    Ok(())
}

/// The rules of style, spelling, and the style of prose.
pub fn style(tally: &mut Tally) -> Result {
    style::check()?;
    if let Some(reason) = spelling::check()? {
        tally.skip("spelling", reason);
    }
    if let Some(reason) = prose::check()? {
        tally.skip("the style of prose", reason);
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
    for directory in single_files()? {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                rustfmt.arg(path);
            }
        }
    }
    run_command(&mut rustfmt)?;
    style::long_lines()
}

/// The directories of single files: fixtures, and what readers of the book type.
fn single_files() -> Result<Vec<PathBuf>> {
    let mut found = vec![root().join("tests/fixtures")];
    let mut todo = vec![root().join("examples/book")];
    while let Some(directory) = todo.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() {
                todo.push(path);
            }
        }
        found.push(directory);
    }
    Ok(found)
}

pub fn codegen(_: &mut Tally) -> Result {
    Ok(codegen::run(true)?)
}

/// Crates with features: each is looked at with none of them, and with each alone.
const ALONE: &[(&str, &[&str])] = &[
    ("hachi", &["", "config-gz", "debuginfo", "tokio", "uprobe"]),
    ("hachi-btf", &["", "edit", "print", "rust"]),
    ("hachi-common", &["", "derive", "std", "network-types"]),
    ("hachi-diag", &["", "render", "json", "pages"]),
    ("hachi-ebpf", &["", "test", "network-types"]),
    ("hachi-test", &[""]),
    ("hachi-vm", &["", "jit"]),
    ("hachi-cli", &[""]),
];

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
    for (package, features) in ALONE {
        for feature in *features {
            let mut alone = cargo(root());
            alone.args(["clippy", "--quiet", "--package", package]);
            alone.args(["--no-default-features", "--features", feature]);
            run_command(alone.args(["--", "-D", "warnings"]))?;
        }
    }
    // As most people run the loader's tests.
    let mut tests = cargo(root());
    tests.args(["clippy", "--quiet", "--package", "hachi", "--all-targets"]);
    run_command(tests.args(["--", "-D", "warnings"]))?;
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
    println!("names: {}", crate::aya::check()?);
    for features in ["", "v0_13", "async_tokio"] {
        let mut check = cargo(root());
        check.args(["check", "--quiet", "--package", "hachi-aya"]);
        run_command(check.args(["--features", features]))?;
    }
    // The step `tests` has the shapes of 0.13, since it enables all features.
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

/// Tests of the loader in guests of other kinds of machines: those of a few programs.
pub fn architectures(tally: &mut Tally) -> Result {
    let mut succeeded = true;
    for (arch, few) in guests::MACHINES {
        if let Some(reason) = guests::obstacle_of(arch) {
            tally.skip("architectures", reason);
            continue;
        }
        let mut tests = vec!["--package", "hachi"];
        tests.extend(few.iter().flat_map(|name| ["--test", name]));
        let report = Some(support::directory());
        let hachi = hachi();
        let kernel = guests::MACHINES_KERNEL;
        let mut command =
            guests::of_another_machine(&hachi, arch, kernel, &tests, report.as_deref())?;
        succeeded &= watch(command.args(&tests), |line| read_guest(tally, line))?;
    }
    let mut outcomes = cargo(root());
    outcomes.args(["test", "--package", "hachi-tests", "--test", "guests"]);
    outcomes.args(["--", "--ignored"]);
    tally.cargo_test(&mut outcomes)?;
    match succeeded {
        true => Ok(()),
        false => Err("see above".into()),
    }
}

/// Counts what a line of `hachi test` says.
fn read_guest(tally: &mut Tally, line: &str) {
    if let Some([passed, failed, skipped]) = matrix_row(line) {
        tally.passed += passed;
        tally.failed += failed;
        tally.skipped += skipped;
    } else if let Some((test, reason)) = line.split_once(" FAILED: ") {
        tally.failures.push(format!("{test}: {reason}"));
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
    let mut read = |line: &str| {
        read_guest(tally, line);
        if let Some(title) = line.strip_prefix("skipped on every kernel: ") {
            let test = title.rsplit(' ').next().unwrap_or(title);
            let here = format!("skipped {test}: ");
            let skipped_here = tally.skips.iter().any(|skip| skip.starts_with(&here));
            if skipped_here && !guests::NOWHERE.contains(&title) {
                nowhere.push(title.to_owned());
            }
        }
    };
    let mut succeeded = watch(guests::all(&mut command), &mut read)?;
    succeeded &= watch(&mut guests::of_the_command(&hachi(), kernels), &mut read)?;
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

/// The table of the prober here and on the kernels of each submission.
pub fn prober(tally: &mut Tally) -> Result {
    if let Some(reason) = crate::prober::obstacle() {
        tally.skip("prober", reason);
        return Ok(());
    }
    for line in crate::prober::tables(&hachi(), guests::KERNELS)? {
        println!("{line}");
    }
    Ok(())
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

/// What `hachi new` writes is `examples/first-xdp`, and its tests pass.
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

/// The README and the book, as their reader goes through them.
pub fn book(guests: book::Guests) -> Result {
    book::check()?;
    println!("{}", book::replay(&[], guests)?);
    picture::check()
}

/// Kinds of `hachi new` that each submission makes, one of each way to print what is seen. The kind
/// xdp is in [`new_project`].
const SOME_KINDS: [&str; 3] = ["file", "tracepoint", "uprobe_tool"];

/// Makes projects of `hachi new`, builds them as their authors would, and has their programs see
/// something.
pub fn templates(tally: &mut Tally, are_all: bool) -> Result {
    new_project(tally)?;
    let arguments = ["test", "--package", "hachi-tests", "--test", "templates"];
    let mut test = cargo(root());
    test.args(arguments).args(["--", "--ignored"]);
    if !are_all {
        test.arg("--exact").args(SOME_KINDS);
    }
    test.env("HACHI_BIN", hachi())
        .env("HACHI_EXAMPLES_TARGET", examples_target_dir());
    if tally.cargo_test(&mut test)? == 0 {
        return Err("no test ran".into());
    }
    if !are_all {
        return Ok(());
    }
    if let Some(reason) = guests::obstacle() {
        tally.skip("templates in a guest", reason);
        return Ok(());
    }
    let mut guest = guests::command_with_templates(&hachi(), "7")?;
    guest.args(&arguments[1..]).args(["--", "--ignored"]);
    run_command(&mut guest)
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
    // Not by this program's own path: an earlier step may have built it again.
    let xtask = target_dir().join("debug/xtask");
    if let Err(reason) = hachi_test::bpf_available() {
        tally.skip("demo in the kernel", reason);
    } else {
        let mut demo = Command::new(&xtask);
        run_command(demo.args(["demo", "--fast"]).env("HACHI_BIN", hachi()))?;
    }
    // The same without the right to load anything.
    let mut demo = match hachi_test::is_root() {
        true => Command::new("setpriv"),
        false => Command::new("env"),
    };
    if hachi_test::is_root() {
        demo.args(["--bounding-set=-all", "--inh-caps=-all", "--"]);
    }
    demo.arg(&xtask).args(["demo", "--fast"]);
    let text = capture(demo.env("HACHI_BIN", hachi()))?;
    print!("{text}");
    let says = |what| text.contains(what);
    match says("Block 10.77.0.66") && says(", in the virtual machine; nothing is left behind.") {
        true => Ok(()),
        false => Err("the demo without privileges did not run in the virtual machine".into()),
    }
}
