//! Shows each file that is opened, or could not be.

use clap::Parser;
use hachi::EbpfLoader;
use tools::{attach, follow, object, text};
use tools_common::opensnoop::Event;

/// Shows each file that is opened with openat(2), until Ctrl-C.
#[derive(Parser)]
struct Args {
    /// Only this process
    #[arg(long, short, default_value_t = 0, hide_default_value = true)]
    pid: u32,
    /// Only what fails
    #[arg(long, short = 'x')]
    failed: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut loader = EbpfLoader::new();
    loader.override_global("PID", &args.pid, true);
    let mut ebpf = loader.load(object!("opensnoop"))?;
    attach(&mut ebpf)?;
    println!(
        "{:>7} {:>6} {:16} {:>4} {:>4} PATH",
        "PID", "UID", "COMM", "FD", "ERR"
    );
    follow(&mut ebpf, |event: &Event| {
        if args.failed && event.result >= 0 {
            return;
        }
        println!(
            "{:>7} {:>6} {:16} {:>4} {:>4} {}",
            event.pid,
            event.uid,
            text(&event.comm),
            event.result.max(-1),
            -event.result.min(0),
            text(&event.path)
        );
    })
}
