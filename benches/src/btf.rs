//! What the kernel's types cost: opening them, and relocating an object of a hundred questions.
//!
//! libbpf (`tests/libbpf`) and Aya (`benches/aya`) do the same in programs of their own, where they
//! can be built. Relocating is compared by CPU time outside the kernel, because libbpf cannot
//! relocate without trying out the kernel and handing it maps.

use crate::figures::{Goal, Unit, figure};
use crate::tools::{Result, aya, cargo, median, own_cargo, ratio, report, root, scratch, succeed};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How many processes are started for each figure,
const PROCESSES: usize = 5;
/// and how often each of them does the work.
const TIMES: &str = "41";
/// The most private memory that the types may take, in KiB.
const MEMORY_GOAL: f64 = 2048.0;

pub fn run() -> Result {
    let vmlinux = Path::new("/sys/kernel/btf/vmlinux");
    if !vmlinux.exists() {
        println!("  skipped: this kernel does not show its types");
        return Ok(());
    }
    let object = root().join("tests/objects/core/sched.bpfel.o");
    let mut build = own_cargo("benches");
    let target = scratch("types")?;
    build.args([
        "build",
        "--quiet",
        "--release",
        "--bin",
        "types",
        "--target-dir",
    ]);
    succeed(build.arg(&target))?;
    let ours = measure(&target.join("release/types"), &object)?;
    let open_goal = Some(Duration::from_micros(1500));
    report(
        "Hachi: open and search the types",
        micros(ours[0]),
        open_goal,
    );
    report(
        "Hachi: relocate an object, wall time",
        micros(ours[1]),
        None,
    );
    report("Hachi: relocate, own CPU time", micros(ours[2]), None);
    let what = "Hachi: private memory of the types";
    figure(what, ours[3], Unit::Kibibytes, Goal::Below(MEMORY_GOAL));
    for (name, goal, program) in [("libbpf", 1.0 / 3.0, libbpf()), ("Aya", 0.1, aya())] {
        let theirs = match program {
            Ok(program) => measure(&program, &object)?,
            Err(error) => {
                println!("  ({name}: not measured: {error})");
                continue;
            }
        };
        report(
            &format!("{name}: open and search the types"),
            micros(theirs[0]),
            None,
        );
        report(
            &format!("{name}: relocate an object, wall time"),
            micros(theirs[1]),
            None,
        );
        report(
            &format!("{name}: relocate, own CPU time"),
            micros(theirs[2]),
            None,
        );
        for (what, at, goal) in [("open", 0, None), ("relocate", 2, Some(goal))] {
            let what = format!("Hachi / {name}, {what}");
            ratio(&what, micros(ours[at]), micros(theirs[at]), goal);
        }
    }
    Ok(())
}

/// The medians of what a program prints: µs to open, µs to relocate, the same of CPU time, KiB.
fn measure(program: &Path, object: &Path) -> Result<[f64; 4]> {
    let mut samples: Vec<Vec<f64>> = Vec::new();
    for _ in 0..PROCESSES {
        let text = succeed(Command::new(program).arg(object).arg(TIMES))?;
        let numbers: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
        samples.push(numbers?);
    }
    let column = |at: usize| {
        let values: Option<Vec<f64>> = samples
            .iter()
            .map(|sample| sample.get(at).copied())
            .collect();
        values.map_or(0.0, |values| median(&values))
    };
    Ok([column(0), column(1), column(2), column(3)])
}

fn micros(value: f64) -> Duration {
    Duration::from_secs_f64(value / 1e6)
}

fn libbpf() -> Result<PathBuf> {
    let target = scratch("libbpf-peer")?;
    let mut build = cargo(&root().join("tests/libbpf"));
    build.args(["build", "--quiet", "--release", "--target-dir"]);
    succeed(build.arg(&target)).map_err(|_| "needs cc, libelf-dev and zlib1g-dev")?;
    Ok(target.join("release/libbpf-peer"))
}
