//! How the program is loaded and attached, and what it has counted.

use std::net::Ipv4Addr;

use hachi::maps::HashMap;
use hachi::programs::{Xdp, XdpFlags};
use hachi::{Ebpf, EbpfLoader};

use crate::args::Args;
use flows_common::{Sender, Traffic};

pub const HELP: &str = "\
Counts packets by their senders.

Usage: flows --iface IFACE [--least BYTES]

  --iface IFACE   the interface, such as eth0
  --least BYTES   leave out shorter packets
  --help          print this

Needs root. `cargo run` asks sudo for it.";

pub const OPTIONS: &[&str] = &["--iface", "--least"];

/// The program, attached.
pub struct Program {
    pub ebpf: Ebpf,
}

impl Program {
    pub fn start(object: &[u8], args: &Args) -> anyhow::Result<Program> {
        let iface: String = args.need("--iface")?;
        let least: u32 = args.get("--least")?.unwrap_or(0);
        let mut loader = EbpfLoader::new();
        loader.override_global("LEAST", &least, true);
        let mut ebpf = loader.load(object)?;
        let program: &mut Xdp = ebpf.program_mut("flows")?.try_into()?;
        program.load()?;
        program.attach(&iface, XdpFlags::default())?;
        Ok(Program { ebpf })
    }

    /// What is left to say at the end.
    pub fn report(&self) -> anyhow::Result<()> {
        let senders: HashMap<_, Sender, Traffic> = HashMap::try_from(self.ebpf.map("SENDERS")?)?;
        for entry in senders.iter() {
            let (sender, traffic) = entry?;
            let address = Ipv4Addr::from(sender.address);
            let Some(protocol) = sender.protocol.get() else {
                continue;
            };
            println!("{address} by {protocol:?}: {} packets", traffic.packets);
        }
        Ok(())
    }
}
