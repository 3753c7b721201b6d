//! Shows how long threads wait for a CPU, as a histogram.

use clap::Parser;
use hachi::EbpfLoader;
use std::time::Duration;
use tools::{Interrupt, attach, counts, histogram, object};

/// Shows how long threads that can run wait for a CPU, as a histogram, at the end: Ctrl-C.
#[derive(Parser)]
struct Args {
    /// End after this many seconds
    #[arg(default_value_t = u32::MAX, hide_default_value = true)]
    seconds: u32,
    /// Only this process
    #[arg(long, short, default_value_t = 0, hide_default_value = true)]
    pid: u32,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut loader = EbpfLoader::new();
    loader.override_global("PID", &args.pid, true);
    let mut ebpf = loader.load(object!("runqlat"))?;
    let interrupt = Interrupt::new()?;
    attach(&mut ebpf)?;
    println!("Tracing the scheduler; Ctrl-C ends.");
    interrupt.wait(Duration::from_secs(args.seconds.into()));
    print!("{}", histogram(&counts(&ebpf)?, "usecs"));
    Ok(())
}
