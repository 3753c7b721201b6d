//! Replaces the scheduler of ordinary threads.

use clap::Parser;
use hachi::EbpfLoader;
use hachi::maps::Array;
use std::time::Duration;
use tools::{Interrupt, object};

/// Schedules all ordinary threads first in, first out, until Ctrl-C.
///
/// Linux ≥ 6.13, built with CONFIG_SCHED_CLASS_EXT. If a thread waits too long for a CPU, the
/// kernel takes the scheduler out again.
#[derive(Parser)]
struct Args {
    /// How long a thread runs before others have their turn, in microseconds.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 20_000)]
    slice: u64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let interrupt = Interrupt::new()?;
    let slice = args.slice.saturating_mul(1_000);
    let mut loader = EbpfLoader::new();
    loader.override_global("SLICE", &slice, true);
    let mut ebpf = loader.load(object!("schedfifo"))?;
    let scheduler = ebpf.struct_ops("hachi_fifo")?;
    let _registered = scheduler.attach()?;
    println!(
        "Scheduling first in, first out, by slices of {} µs",
        args.slice
    );
    while !interrupt.wait(Duration::from_secs(1)) {}
    let stats: Array<_, u64> = Array::try_from(ebpf.map("STATS")?)?;
    for (index, name) in ["queued", "ran"].iter().enumerate() {
        println!("{name}: {}", stats.get(&(index as u32), 0)?);
    }
    Ok(())
}
