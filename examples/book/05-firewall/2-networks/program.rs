//! How the firewall is loaded and attached, and what it has counted.

use std::net::Ipv4Addr;

use anyhow::Context;
use hachi::Ebpf;
use hachi::maps::PerCpuArray;
use hachi::maps::lpm_trie::{Key, LpmTrie};
use hachi::programs::{Xdp, XdpFlags};

use crate::args::Args;
use firewall_common::{Counter, DROPPED, PASSED};

pub const HELP: &str = "\
Drops packets from blocked networks.

Usage: firewall --iface IFACE [--block NETWORK]... [--allow NETWORK]...

  --iface IFACE     the interface, such as eth0
  --block NETWORK   drop packets from here, such as 10.0.0.0/8
  --allow NETWORK   let packets through from here, inside of what is blocked
  --help            print this

Needs root. `cargo run` asks sudo for it.";

pub const OPTIONS: &[&str] = &["--iface", "--block", "--allow"];

/// The program, attached.
pub struct Program {
    pub ebpf: Ebpf,
}

impl Program {
    pub fn start(object: &[u8], args: &Args) -> anyhow::Result<Program> {
        let iface: String = args.need("--iface")?;
        let mut ebpf = Ebpf::load(object)?;
        let mut networks: LpmTrie<_, [u8; 4], u32> = LpmTrie::try_from(ebpf.map_mut("NETWORKS")?)?;
        for (option, verdict) in [("--block", 1), ("--allow", 0)] {
            for network in args.all::<String>(option)? {
                networks.insert(&key(&network)?, verdict, 0)?;
            }
        }
        let program: &mut Xdp = ebpf.program_mut("firewall")?.try_into()?;
        program.load()?;
        program.attach(&iface, XdpFlags::default())?;
        Ok(Program { ebpf })
    }

    /// What is left to say at the end.
    pub fn report(&self) -> anyhow::Result<()> {
        let counters: PerCpuArray<_, Counter> = PerCpuArray::try_from(self.ebpf.map("COUNTERS")?)?;
        for (name, index) in [("passed", PASSED), ("dropped", DROPPED)] {
            let packets: u64 = counters.get(&index, 0)?.iter().map(|c| c.packets).sum();
            println!("{name}: {packets} packets");
        }
        Ok(())
    }
}

/// A network as the map has it: `10.0.0.0/8`, or one address.
fn key(network: &str) -> anyhow::Result<Key<[u8; 4]>> {
    let wrong = || format!("`{network}` is not a network such as 10.0.0.0/8");
    let (address, length) = network.split_once('/').unwrap_or((network, "32"));
    let address: Ipv4Addr = address.parse().with_context(wrong)?;
    let length = length.parse().ok().filter(|length| *length <= 32);
    Ok(Key::new(length.with_context(wrong)?, address.octets()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_networks() {
        let length = |network| key(network).unwrap().prefix_len;
        assert_eq!(length("10.0.0.0/8"), 8);
        assert_eq!(length("192.0.2.7"), 32);
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/x"] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }
}
