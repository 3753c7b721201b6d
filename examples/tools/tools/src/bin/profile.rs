//! Shows where threads spend their time, by stacks.

use anyhow::{Context, ensure};
use clap::Parser;
use hachi::Ebpf;
use hachi::links::LinkError;
use hachi::maps::{HashMap, StackTraceMap};
use hachi::programs::{
    PerfEvent, PerfEventConfig, PerfEventScope, ProgramError, SamplePolicy, SoftwareEvent,
};
use std::time::Duration;
use tools::symbols::Symbols;
use tools::{Interrupt, object, text};
use tools_common::profile::Place;

/// Looks many times a second where threads are, and prints at the end (Ctrl-C) how often it saw
/// each stack: a line each, outermost function first, as tools that draw flame graphs read them.
#[derive(Parser)]
struct Args {
    /// End after this many seconds
    #[arg(default_value_t = u32::MAX, hide_default_value = true)]
    seconds: u32,
    /// Only this process
    #[arg(long, short)]
    pid: Option<u32>,
    /// How often in a second
    #[arg(long, short, default_value_t = 99)]
    frequency: u64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut ebpf = Ebpf::load(object!("profile"))?;
    let interrupt = Interrupt::new()?;
    let program: &mut PerfEvent = ebpf.program_mut("profile")?.try_into()?;
    program.load()?;
    let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
    let scopes: Vec<_> = match args.pid {
        Some(pid) => threads(pid)?,
        None => (0..std::thread::available_parallelism()?.get() as u32)
            .map(|cpu| PerfEventScope::AllProcessesOneCpu { cpu })
            .collect(),
    };
    let frequency = SamplePolicy::Frequency(args.frequency);
    let mut attached = 0;
    for scope in scopes {
        match program.attach(clock, scope, frequency, args.pid.is_some()) {
            // A thread that has ended since the list was read.
            Err(ProgramError::Attach {
                error: LinkError::NoSuchTarget { .. },
                ..
            }) if args.pid.is_some() => {}
            Err(error) => return Err(error.into()),
            Ok(_) => attached += 1,
        }
    }
    ensure!(attached > 0, "all threads have ended");
    println!("Sampling {} times a second; Ctrl-C ends.", args.frequency);
    interrupt.wait(Duration::from_secs(args.seconds.into()));
    print(&ebpf)
}

/// An event counts in one thread, and in those that it starts from then on.
fn threads(pid: u32) -> anyhow::Result<Vec<PerfEventScope>> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).context("no such process")?;
    let mut scopes = Vec::new();
    for entry in entries {
        let pid = entry?.file_name().to_string_lossy().parse()?;
        scopes.push(PerfEventScope::OneProcess { pid, cpu: None });
    }
    Ok(scopes)
}

fn print(ebpf: &Ebpf) -> anyhow::Result<()> {
    let counts: HashMap<_, Place, u64> = HashMap::try_from(ebpf.map("COUNTS")?)?;
    let stacks = StackTraceMap::try_from(ebpf.map("STACKS")?)?;
    let mut symbols = Symbols::default();
    let mut lines = Vec::new();
    for entry in counts.iter() {
        let (place, count) = entry?;
        let mut names = vec![text(&place.comm).into_owned()];
        // Innermost first: so they are turned round. Stacks that could not be had are left out.
        for (id, user) in [(place.user, true), (place.kernel, false)] {
            let Some(stack) = u32::try_from(id)
                .ok()
                .and_then(|id| stacks.get(&id, 0).ok())
            else {
                continue;
            };
            for frame in stack.frames().iter().rev() {
                names.push(if user {
                    symbols.user(place.pid, frame.ip)
                } else {
                    symbols.kernel(frame.ip)
                });
            }
        }
        lines.push((count, names.join(";")));
    }
    lines.sort();
    for (count, stack) in lines {
        println!("{stack} {count}");
    }
    Ok(())
}
