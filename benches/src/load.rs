//! What loading an object costs beside the kernel's own work, and how much memory the process takes.
//!
//! The loader (`src/bin/loader.rs`) is linked statically, as one would ship it to many machines, and
//! so is the small C program that does the same with libbpf, where a C compiler and libbpf's headers
//! and static libraries are installed.

use crate::tools::{Result, cargo, hachi, libbpf, median, ratio, report, root, scratch, succeed};
use hachi_test::bpf_available;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How many processes are started for each figure,
const PROCESSES: usize = 9;
/// and how often each of them loads the object.
const LOADS: &str = "101";
/// The most memory the process may take.
const MEMORY_GOAL: u64 = 3 * 1024;

pub fn run() -> Result {
    if let Err(reason) = bpf_available() {
        println!("  skipped: {reason}");
        return Ok(());
    }
    let object = firewall()?;
    let target = scratch("static")?;
    let mut build = cargo(&root().join("benches"));
    build
        .args(["build", "--quiet", "--release", "--bin", "loader"])
        // A target triple keeps the flags away from build scripts and macros, which cannot be static.
        .args(["--target", &host()?, "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    succeed(&mut build)?;
    let ours = Figures::measure(&target.join(host()?).join("release/loader"), &object)?;
    ours.print("Hachi");
    match libbpf("load") {
        Ok(program) => {
            let theirs = Figures::measure(&program, &object)?;
            theirs.print("libbpf");
            ratio("Hachi / libbpf, own CPU time", ours.own, theirs.own);
            ratio("Hachi / libbpf, wall time", ours.wall, theirs.wall);
        }
        Err(error) => println!("  (libbpf: not measured: {error})"),
    }
    Ok(())
}

/// The kernel side of the example, in release.
pub fn firewall() -> Result<PathBuf> {
    let mut build = Command::new(hachi()?);
    build
        .arg("build")
        .arg(root().join("examples/xdp-firewall/xdp-firewall-ebpf"))
        .arg("--out")
        .arg(scratch("objects")?)
        .env("HACHI_YES", "1");
    let printed = succeed(&mut build)?;
    let object = printed
        .lines()
        .next()
        .ok_or("`hachi build` named no object")?;
    Ok(object.into())
}

/// What one loader costs.
struct Figures {
    /// One load, all in all.
    wall: Duration,
    /// One load, CPU time outside the kernel.
    own: Duration,
    /// The first load of a process, all in all.
    first: Duration,
    /// Peak resident memory in KiB.
    memory: u64,
}

impl Figures {
    fn measure(program: &Path, object: &Path) -> Result<Self> {
        let mut samples: Vec<[f64; 4]> = Vec::new();
        for _ in 0..PROCESSES {
            let mut memory = Command::new(program);
            let once = numbers(&succeed(memory.arg(object).arg("1"))?)?;
            let mut command = Command::new(program);
            let many = numbers(&succeed(command.arg(object).arg(LOADS))?)?;
            samples.push([many[0], many[1], once[0], once[2]]);
        }
        let column = |index: usize| {
            let values: Vec<f64> = samples.iter().map(|sample| sample[index]).collect();
            median(&values)
        };
        let micros = |value: f64| Duration::from_secs_f64(value / 1e6);
        Ok(Self {
            wall: micros(column(0)),
            own: micros(column(1)),
            first: micros(column(2)),
            memory: column(3) as u64,
        })
    }

    fn print(&self, whose: &str) {
        let goal = Some(Duration::from_millis(1));
        report(&format!("{whose}: a load, own CPU time"), self.own, goal);
        report(
            &format!("{whose}: a load, wall time with the kernel's"),
            self.wall,
            None,
        );
        report(
            &format!("{whose}: the first load, wall time"),
            self.first,
            None,
        );
        let verdict = if self.memory <= MEMORY_GOAL {
            "met"
        } else {
            "MISSED"
        };
        let memory = self.memory;
        println!(
            "  {whose}: peak memory of the process {memory:>16} KiB  goal ≤ {MEMORY_GOAL} KiB: {verdict}"
        );
    }
}

/// Reads what a loader prints: median wall µs, own CPU µs per load, peak KiB.
fn numbers(text: &str) -> Result<[f64; 3]> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let mut next = || -> Result<f64> { Ok(numbers.next().ok_or("too few numbers")??) };
    Ok([next()?, next()?, next()?])
}

fn host() -> Result<String> {
    let version = succeed(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV names no host")?.to_owned())
}
