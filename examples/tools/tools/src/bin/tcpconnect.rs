//! Shows each TCP connection that is asked for.

use clap::Parser;
use hachi::Ebpf;
use tools::{address, attach, follow, object, text};
use tools_common::tcp::Connect;

/// Shows each TCP connection that this machine asks for, until Ctrl-C.
#[derive(Parser)]
struct Args {
    /// Only to this port
    #[arg(long, short)]
    port: Option<u16>,
    /// Only of this process
    #[arg(long)]
    pid: Option<u32>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut ebpf = Ebpf::load(object!("tcpconnect"))?;
    attach(&mut ebpf)?;
    println!("{:>7} {:>6} {:16} TO", "PID", "UID", "COMM");
    follow(&mut ebpf, |Connect { owner, ends }| {
        let port = args.port.is_none_or(|port| port == ends.remote_port);
        if port && args.pid.is_none_or(|pid| pid == owner.pid) {
            let to = (address(ends.version, ends.remote), ends.remote_port);
            println!(
                "{:>7} {:>6} {:16} {}",
                owner.pid,
                owner.uid,
                text(&owner.comm),
                std::net::SocketAddr::from(to)
            );
        }
    })
}
