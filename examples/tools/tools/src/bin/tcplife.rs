//! Shows each TCP connection that has ended.

use clap::Parser;
use hachi::Ebpf;
use std::net::SocketAddr;
use tools::{address, attach, follow, object, text};
use tools_common::tcp::Life;

/// Shows each TCP connection that has ended, with what went through it, until Ctrl-C.
#[derive(Parser)]
struct Args {
    /// Only with this port at either end
    #[arg(long, short)]
    port: Option<u16>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut ebpf = Ebpf::load(object!("tcplife"))?;
    attach(&mut ebpf)?;
    println!(
        "{:>7} {:16} {:22} {:22} {:>10} {:>10} {:>10}",
        "PID", "COMM", "HERE", "THERE", "SENT", "RECEIVED", "MS"
    );
    follow(&mut ebpf, |life: &Life| {
        let ends = &life.ends;
        if args
            .port
            .is_some_and(|port| port != ends.local_port && port != ends.remote_port)
        {
            return;
        }
        let end = |bytes, port| SocketAddr::from((address(ends.version, bytes), port)).to_string();
        println!(
            "{:>7} {:16} {:22} {:22} {:>10} {:>10} {:>10.3}",
            life.owner.pid,
            text(&life.owner.comm),
            end(ends.local, ends.local_port),
            end(ends.remote, ends.remote_port),
            life.sent,
            life.received,
            life.duration as f64 / 1e6
        );
    })
}
