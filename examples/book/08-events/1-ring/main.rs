//! The user side: prints each program that is started, until Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hachi::maps::{PerCpuArray, RingBuf};
use hachi::programs::TracePoint;
use hachi::{Ebpf, include_bytes_aligned};
use signal_hook::consts::SIGINT;

use starts_common::Start;

/// The eBPF side, as the build script left it.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/starts-ebpf"));

fn main() -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGINT, stop.clone())?;
    let mut ebpf = Ebpf::load(OBJECT)?;
    let mut starts = RingBuf::try_from(ebpf.take_map("STARTS")?)?.events::<Start>();
    let program: &mut TracePoint = ebpf.program_mut("starts")?.try_into()?;
    program.load()?;
    program.attach("sched", "sched_process_exec")?;
    println!("watching; Ctrl-C ends");
    while !stop.load(Ordering::Relaxed) {
        // Sleeps until there is a record, at most for a tenth of a second.
        if let Some(start) = starts.next_timeout(Duration::from_millis(100))? {
            let Start { process, user, .. } = *start;
            let name = start.name().escape_ascii();
            println!("{name} is process {process} of user {user}");
        }
    }
    let lost: PerCpuArray<_, u64> = PerCpuArray::try_from(ebpf.map("LOST")?)?;
    println!("{} were lost", lost.get(&0, 0)?.iter().sum::<u64>());
    Ok(())
}
