//! Shows how long block devices take, as a histogram.

use clap::Parser;
use hachi::{EbpfLoader, KernelVersion};
use std::time::Duration;
use tools::{Interrupt, attach, counts, histogram, object};

/// Shows how long requests to block devices take, as a histogram, at the end: Ctrl-C.
#[derive(Parser)]
struct Args {
    /// End after this many seconds
    #[arg(default_value_t = u32::MAX, hide_default_value = true)]
    seconds: u32,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let old =
        KernelVersion::current().is_some_and(|version| version < KernelVersion::new(5, 11, 0));
    let mut loader = EbpfLoader::new();
    loader.override_global("REQUEST", &u8::from(old), true);
    let mut ebpf = loader.load(object!("biolatency"))?;
    let interrupt = Interrupt::new()?;
    attach(&mut ebpf)?;
    println!("Tracing block devices; Ctrl-C ends.");
    interrupt.wait(Duration::from_secs(args.seconds.into()));
    print!("{}", histogram(&counts(&ebpf)?, "usecs"));
    Ok(())
}
