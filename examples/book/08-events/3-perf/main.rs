//! The user side: prints each program that is started, until Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hachi::maps::PerfEventArray;
use hachi::programs::TracePoint;
use hachi::{Ebpf, include_bytes_aligned, read_bytes};
use signal_hook::consts::SIGINT;

use starts_common::Start;

/// The eBPF side, as the build script left it.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/starts-ebpf"));

/// The memory of each CPU's buffer, in pages: a power of two.
const PAGES: usize = 16;

fn main() -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGINT, stop.clone())?;
    let mut ebpf = Ebpf::load(OBJECT)?;
    let mut array = PerfEventArray::try_from(ebpf.take_map("STARTS")?)?;
    let mut starts = array.open_all(Some(PAGES))?;
    let program: &mut TracePoint = ebpf.program_mut("starts")?.try_into()?;
    program.load()?;
    program.attach("sched", "sched_process_exec")?;
    println!("watching; Ctrl-C ends");
    while !stop.load(Ordering::Relaxed) {
        let read = starts.read_timeout(Some(Duration::from_millis(100)), |cpu, record| {
            if let Some(start) = read_bytes::<Start>(record) {
                println!("{} on CPU {cpu}", start.name().escape_ascii());
            }
        })?;
        if read.lost > 0 {
            println!("{} were lost", read.lost);
        }
    }
    Ok(())
}
