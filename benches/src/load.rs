//! What loading an object costs beside the kernel's own work, and how much memory the process
//! takes.
//!
//! The loader (`loader/`, with the features that a project of `hachi new` has) is linked
//! statically, as one would ship it to many machines, and so are those that do the same with libbpf
//! in C (`libbpf/load.c`), with libbpf-rs (`libbpf-rs/`) and with Aya (`aya/`), where they can be
//! built.

use crate::figures::{self, Goal, Unit, figure};
use crate::tools::{
    Result, build_static, built_peers, hachi, median, own_cargo, ratio, report, root, scratch,
    succeed,
};
use hachi_test::bpf_available;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How many processes are started for each figure,
const PROCESSES: usize = 9;
/// and how often each of them loads the object.
const LOADS: &str = "101";
/// The most memory the process may take.
const MEMORY_GOAL: f64 = 3.0 * 1024.0;

pub fn run() -> Result {
    if let Err(reason) = bpf_available() {
        println!("  skipped: {reason}");
        return Ok(());
    }
    let ours = loader()?;
    let peers = built_peers("load");
    for (what, object, goal, share) in [
        ("the firewall", firewall()?, Duration::from_millis(1), None),
        (
            "a tracer with a hundred CO-RE relocations",
            root().join("tests/objects/core/sched.bpfel.o"),
            Duration::from_millis(4),
            Some(1.0 / 3.0),
        ),
    ] {
        figures::group(what);
        let ours = Figures::measure(Command::new(&ours), &object)?;
        ours.print("Hachi", Some(goal));
        for (name, program) in &peers {
            let mut command = Command::new(program);
            // The C program does nothing else.
            if *name != "libbpf" {
                command.arg("load");
            }
            let theirs = match Figures::measure(command, &object) {
                Ok(theirs) => theirs,
                Err(error) => {
                    println!("  ({name}: not measured: {error})");
                    continue;
                }
            };
            theirs.print(name, None);
            ratio(
                &format!("Hachi / {name}, own CPU time"),
                ours.own,
                theirs.own,
                None,
            );
            ratio(
                &format!("Hachi / {name}, wall time"),
                ours.wall,
                theirs.wall,
                share.filter(|_| *name == "libbpf"),
            );
            let memory = [ours.memory, theirs.memory].map(Duration::from_millis);
            ratio(
                &format!("Hachi / {name}, peak memory"),
                memory[0],
                memory[1],
                None,
            );
        }
    }
    Ok(())
}

/// Our loader, built now.
pub fn loader() -> Result<PathBuf> {
    let mut build = own_cargo("benches/loader");
    Ok(build_static(&mut build, &scratch("loader")?, "")?.join("loader"))
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
    /// `program` still lacks the object and how often it is to be loaded.
    fn measure(mut program: Command, object: &Path) -> Result<Self> {
        program.arg(object);
        let arguments: Vec<_> = program.get_args().map(ToOwned::to_owned).collect();
        let run = |times: &str| -> Result<[f64; 3]> {
            let mut command = Command::new(program.get_program());
            numbers(&succeed(command.args(&arguments).arg(times))?)
        };
        let mut samples: Vec<[f64; 4]> = Vec::new();
        for _ in 0..PROCESSES {
            let (once, many) = (run("1")?, run(LOADS)?);
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

    /// With the goal for the CPU time of a load, if they are ours.
    fn print(&self, whose: &str, goal: Option<Duration>) {
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
        let memory_goal = goal.map_or(Goal::None, |_| Goal::Below(MEMORY_GOAL));
        let what = format!("{whose}: peak memory of the process");
        figure(&what, self.memory as f64, Unit::Kibibytes, memory_goal);
    }
}

/// Reads what a loader prints: median wall µs, own CPU µs per load, peak KiB.
pub fn numbers(text: &str) -> Result<[f64; 3]> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let mut next = || -> Result<f64> { Ok(numbers.next().ok_or("too few numbers")??) };
    Ok([next()?, next()?, next()?])
}
