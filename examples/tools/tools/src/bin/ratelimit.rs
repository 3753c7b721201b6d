//! Limits what an interface sends.

use clap::Parser;
use hachi::EbpfLoader;
use hachi::maps::Array;
use hachi::programs::{SchedClassifier, TcAttachType};
use std::time::Duration;
use tools::{Interrupt, object};
use tools_common::ratelimit::{DROPPED, PASSED};

/// Drops what an interface sends beyond a rate, until Ctrl-C.
#[derive(Parser)]
struct Args {
    /// The interface
    #[arg(long, short)]
    iface: String,
    /// Bytes per second
    #[arg(long, short)]
    rate: u64,
    /// Bytes that may be sent at once after a pause
    #[arg(long, short, default_value_t = 15_000)]
    burst: u64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let interrupt = Interrupt::new()?;
    let mut loader = EbpfLoader::new();
    loader
        .override_global("RATE", &args.rate, true)
        .override_global("BURST", &args.burst, true);
    let mut ebpf = loader.load(object!("ratelimit"))?;
    let program: &mut SchedClassifier = ebpf.program_mut("ratelimit")?.try_into()?;
    program.load()?;
    program.attach(&args.iface, TcAttachType::Egress)?;
    println!(
        "{} sends at most {} bytes per second",
        args.iface, args.rate
    );
    while !interrupt.wait(Duration::from_secs(1)) {}
    let stats: Array<_, u64> = Array::try_from(ebpf.map("STATS")?)?;
    println!("passed: {} packets", stats.get(&PASSED, 0)?);
    println!("dropped: {} packets", stats.get(&DROPPED, 0)?);
    Ok(())
}
