//! `cargo xtask bench`: the measurements of `benches/`, which are a workspace of their own.

use crate::shell::{Result, cargo, root, run as run_command, target_dir};
use std::process::ExitCode;

/// Runs the benchmarks named in `names`, or all.
pub fn run(names: &[&str]) -> Result<ExitCode> {
    let mut bench = cargo(&root().join("benches"));
    bench
        .args(["run", "--quiet", "--release", "--"])
        .args(names)
        .env("CARGO_TARGET_DIR", target_dir().join("benches"));
    run_command(&mut bench)?;
    Ok(ExitCode::SUCCESS)
}
