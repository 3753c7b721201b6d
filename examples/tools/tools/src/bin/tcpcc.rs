//! Adds a congestion control to TCP.

use clap::Parser;
use hachi::Ebpf;
use hachi::maps::Array;
use std::time::Duration;
use tools::{Interrupt, object};

/// Adds the congestion control `hachi_reno` to TCP, until Ctrl-C.
///
/// A connection uses it when its program sets TCP_CONGESTION, or all new ones with
/// `sysctl net.ipv4.tcp_congestion_control=hachi_reno`.
#[derive(Parser)]
struct Args {}

fn main() -> anyhow::Result<()> {
    Args::parse();
    let interrupt = Interrupt::new()?;
    let mut ebpf = Ebpf::load(object!("tcpcc"))?;
    let control = ebpf.struct_ops("hachi_reno")?;
    let _registered = control.attach()?;
    println!("TCP has hachi_reno");
    while !interrupt.wait(Duration::from_secs(1)) {}
    let stats: Array<_, u64> = Array::try_from(ebpf.map("STATS")?)?;
    for (index, name) in ["connections", "acknowledgements", "losses"]
        .iter()
        .enumerate()
    {
        println!("{name}: {}", stats.get(&(index as u32), 0)?);
    }
    Ok(())
}
