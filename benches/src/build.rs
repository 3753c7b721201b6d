//! How long a project of `hachi new` takes to build.

use crate::tools::{Result, cargo, hachi, median, ratio, report, scratch, succeed, time};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const EBPF_RUNS: usize = 5;
const WORKSPACE_RUNS: usize = 3;

pub fn run() -> Result {
    let hachi = hachi()?;
    let directory = scratch("build")?;
    let project = directory.join("probe");
    let _ = fs::remove_dir_all(&project);
    let mut new = Command::new(&hachi);
    new.args(["new", "probe", "--template", "xdp"]);
    run_in(&directory, new)?;

    // The toolchain and the crates' sources are there before anything is measured.
    let kernel_side = || {
        let mut build = Command::new(&hachi);
        build.args(["build", "probe-ebpf"]).current_dir(&project);
        build.env("HACHI_YES", "1").env_remove("CARGO_TARGET_DIR");
        build
    };
    succeed(&mut kernel_side())?;
    let ours = Flow {
        project: &project,
        kernel_source: project.join("probe-ebpf/src/main.rs"),
        kernel_side: &kernel_side,
    }
    .measure()?;
    let goals = [3, 1, 20].map(Duration::from_secs).map(Some);
    print("Hachi", ours, goals);

    let Some(aya) = std::env::var_os("HACHI_BENCH_AYA").map(PathBuf::from) else {
        println!(
            "  (Aya's flow: set HACHI_BENCH_AYA to a project of its template, NAME/NAME-ebpf)"
        );
        return Ok(());
    };
    let name = aya
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
        + "-ebpf";
    let kernel_side = || {
        // What its build script runs, with the stable compiler allowed to build `core`.
        let mut build = cargo(&aya.join(&name));
        build
            .args(["build", "--release", "--target", "bpfel-unknown-none"])
            .args(["-Z", "build-std=core", "--target-dir"])
            .arg(aya.join("target"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env(
                "RUSTFLAGS",
                "-C linker=bpf-linker -C debuginfo=2 -C link-arg=--btf",
            );
        build
    };
    let theirs = Flow {
        project: &aya,
        kernel_source: aya.join(&name).join("src/main.rs"),
        kernel_side: &kernel_side,
    }
    .measure()?;
    print("Aya", theirs, [None; 3]);
    for (what, (ours, theirs)) in WHAT.iter().zip(ours.into_iter().zip(theirs)) {
        ratio(&format!("Hachi / Aya, {what}"), ours, theirs, None);
    }
    Ok(())
}

const WHAT: [&str; 3] = [
    "kernel side, from nothing",
    "kernel side, after an edit",
    "both sides, from nothing, release",
];

fn print(whose: &str, figures: [Duration; 3], goals: [Option<Duration>; 3]) {
    for ((what, figure), goal) in WHAT.iter().zip(figures).zip(goals) {
        report(&format!("{whose}: {what}"), figure, goal);
    }
}

/// One toolkit's way of building a project.
struct Flow<'a> {
    project: &'a Path,
    kernel_source: PathBuf,
    kernel_side: &'a dyn Fn() -> Command,
}

impl Flow<'_> {
    fn measure(&self) -> Result<[Duration; 3]> {
        let clean = || -> Result {
            let target = self.project.join("target");
            match fs::remove_dir_all(&target) {
                Err(error) if target.exists() => Err(error.into()),
                _ => Ok(()),
            }
        };
        let (mut from_nothing, mut after_edit, mut both) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..EBPF_RUNS {
            clean()?;
            from_nothing.push(time(&mut (self.kernel_side)())?);
            self.edit()?;
            after_edit.push(time(&mut (self.kernel_side)())?);
        }
        for _ in 0..WORKSPACE_RUNS {
            clean()?;
            let mut build = cargo(self.project);
            both.push(time(build.args(["build", "--release", "--quiet"]))?);
        }
        Ok([&from_nothing, &after_edit, &both].map(|times| median(times)))
    }

    /// A change that reaches the compiler's output: one more function, which nothing calls but
    /// which is exported.
    fn edit(&self) -> Result {
        let mut source = OpenOptions::new().append(true).open(&self.kernel_source)?;
        let number = source.metadata()?.len();
        writeln!(
            source,
            "#[unsafe(no_mangle)]\npub extern \"C\" fn edit_{number}(x: u64) -> u64 {{\n    \
             x + {number}\n}}"
        )?;
        Ok(())
    }
}

fn run_in(directory: &Path, mut command: Command) -> Result {
    succeed(
        command
            .current_dir(directory)
            .env_remove("CARGO_TARGET_DIR"),
    )
    .map(drop)
}
