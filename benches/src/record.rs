//! What a benchmark leaves for the page of measurements: a file with its figures, the machine, the
//! versions and the date.

use crate::tools::{Result, root, scratch, succeed};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Where the files are, one for each benchmark.
pub fn directory() -> Result<PathBuf> {
    scratch("figures")
}

/// Writes the figures that a benchmark has just measured.
pub fn write(bench: &str, figures: Vec<Value>) -> Result {
    let record = json!({
        "bench": bench,
        "date": jiff::Zoned::now().strftime("%Y-%m-%d").to_string(),
        "machine": machine(),
        "versions": versions(),
        "figures": figures,
    });
    let file = directory()?.join(format!("{bench}.json"));
    Ok(fs::write(file, serde_json::to_string_pretty(&record)?)?)
}

/// The processor and the kernel.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let info = read("/proc/cpuinfo");
    let model = info.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let model = model.map_or("a processor without a name", |(_, name)| name.trim());
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cpus} × {model}, Linux {}", kernel.trim())
}

/// Of the compiler, of Hachi, and of the peers.
fn versions() -> Vec<String> {
    let first_line = |command: &mut Command| -> Option<String> {
        let said = succeed(command.current_dir(root())).ok()?;
        said.lines().next().map(str::to_owned)
    };
    let locked = |name: &str, lock: &str| -> Option<String> {
        let lock = fs::read_to_string(root().join(lock)).ok()?;
        let package = format!("name = \"{name}\"\nversion = \"");
        let version = lock.split_once(&package)?.1.split('"').next()?;
        Some(format!("{name} {version}"))
    };
    let libbpf = first_line(Command::new("pkg-config").args(["--modversion", "libbpf"]));
    let commit = first_line(Command::new("git").args(["rev-parse", "--short", "HEAD"]));
    [
        commit.map(|commit| format!("Hachi at {commit}")),
        first_line(Command::new("rustc").arg("--version")),
        locked("aya", "benches/aya/Cargo.lock"),
        libbpf.map(|version| format!("libbpf {version}")),
        locked("libbpf-rs", "benches/libbpf-rs/Cargo.lock"),
        locked("rbpf", "benches/vm/Cargo.lock"),
        locked("solana-sbpf", "benches/vm/Cargo.lock"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
