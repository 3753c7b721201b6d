//! The fuzz targets of `fuzz/`: their seeds in every run, libFuzzer for a minute each in the long
//! one.
//!
//! libFuzzer needs no nightly compiler: coverage is a pass of LLVM that rustc's stable `-C passes`
//! adds. New inputs are kept below the target directory; those in `fuzz/seeds` are checked in.

use crate::shell::{Result, cargo, root, run as run_command, rustc_host, target_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What `cargo fuzz` sets as well, except for the sanitizers, which need nightly.
const FLAGS: &[&str] = &[
    "--cfg",
    "fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// The most memory that a target may take, in MiB.
const MEMORY: u32 = 1024;

/// How long one input may take, in seconds.
const SLOWEST: u32 = 20;

/// `cargo xtask fuzz [--seconds NUMBER] [TARGET...]`
pub fn command(arguments: &[&str]) -> Result<ExitCode> {
    let (seconds, targets) = match arguments {
        ["--seconds", number, targets @ ..] => (number.parse()?, targets),
        targets => (60, targets),
    };
    run(seconds, targets)?;
    Ok(ExitCode::SUCCESS)
}

/// The package of the targets, a workspace of its own.
pub fn workspace() -> PathBuf {
    root().join("fuzz")
}

fn build_dir() -> PathBuf {
    target_dir().join("fuzz")
}

/// `cargo test` of the seeds and of mutations of them.
pub fn seeds() -> Command {
    let mut test = cargo(&workspace());
    test.args(["test", "--quiet", "--no-default-features"])
        .env("CARGO_TARGET_DIR", build_dir());
    test
}

/// The same for so long per target, where libFuzzer cannot be built.
fn mutations(seconds: u32) -> Result {
    let mut test = seeds();
    test.arg("--release")
        .env("HACHI_FUZZ_SECONDS", seconds.to_string());
    run_command(&mut test)
}

/// Runs each target for some seconds under libFuzzer; gives how many ran.
pub fn run(seconds: u32, only: &[&str]) -> Result<usize> {
    let host = rustc_host()?;
    let mut build = cargo(&workspace());
    build
        .args(["build", "--quiet", "--release", "--target", &host])
        .env("CARGO_TARGET_DIR", build_dir())
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    if let Err(error) = run_command(&mut build) {
        println!("libFuzzer cannot be built ({error}; it needs a C++ compiler): mutating seeds");
        mutations(seconds)?;
        return Ok(targets()?.len());
    }
    let mut ran = 0;
    for target in targets()? {
        if only.is_empty() || only.contains(&target.as_str()) {
            let program = build_dir().join(&host).join("release").join(&target);
            drive(&program, &target, seconds)?;
            ran += 1;
        }
    }
    match ran {
        0 => Err(format!("no such target; there are {}", targets()?.join(", ")).into()),
        ran => Ok(ran),
    }
}

/// The names of all targets.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(workspace().join("fuzz_targets"))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem() {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn drive(program: &Path, target: &str, seconds: u32) -> Result {
    let corpus = build_dir().join("corpus").join(target);
    let artifacts = build_dir().join("artifacts").join(target);
    for directory in [&corpus, &artifacts] {
        std::fs::create_dir_all(directory)?;
    }
    let mut fuzz = Command::new(program);
    fuzz.arg(format!("-max_total_time={seconds}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .arg(format!("-malloc_limit_mb={MEMORY}"))
        .arg(format!("-timeout={SLOWEST}"))
        .args(["-print_final_stats=1", "-verbosity=0"])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&corpus)
        .arg(workspace().join("seeds").join(target));
    // It says much on the way, which matters only when it finds something.
    let output = fuzz.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let statistic = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.strip_prefix(':'))
            .map_or("?", str::trim)
    };
    if !output.status.success() {
        println!("{said}");
        return Err(format!("{target} fails; its input is in {}", artifacts.display()).into());
    }
    println!(
        "{target}: {} inputs in {seconds} s, {} of them new; {} MiB",
        statistic("stat::number_of_executed_units"),
        statistic("stat::new_units_added"),
        statistic("stat::peak_rss_mb")
    );
    Ok(())
}
