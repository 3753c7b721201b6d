//! How the firewall is loaded and attached, and what it has counted.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use hachi::links::PinnedLink;
use hachi::maps::lpm_trie::{Key, LpmTrie};
use hachi::maps::{HashMap, PerCpuArray};
use hachi::programs::{Xdp, XdpFlags};
use hachi::{Ebpf, EbpfLoader};

use crate::args::Args;
use firewall_common::{Counter, REASONS};

pub const HELP: &str = "\
Drops packets from blocked networks and to blocked ports.

Usage: firewall --iface IFACE [--block NETWORK]... [--allow NETWORK]... [--close PORT]...
                [--strict 1] [--pin DIR]

  --iface IFACE     the interface, such as eth0
  --block NETWORK   drop packets from here, such as 10.0.0.0/8
  --allow NETWORK   let packets through from here, inside of what is blocked
  --close PORT      drop UDP and TCP to this port
  --strict 1        drop what no rule allows
  --pin DIR         go on after the end, by files in DIR; again: replace the program
  --help            print this

Needs root. `cargo run` asks sudo for it.";

pub const OPTIONS: &[&str] = &[
    "--iface", "--block", "--allow", "--close", "--strict", "--pin",
];

/// The program, attached.
pub struct Program {
    pub ebpf: Ebpf,
}

impl Program {
    pub fn start(object: &[u8], args: &Args) -> anyhow::Result<Program> {
        let iface: String = args.need("--iface")?;
        let strict: u32 = args.get("--strict")?.unwrap_or(0);
        let mut loader = EbpfLoader::new();
        loader.override_global("STRICT", &strict, true);
        let mut ebpf = loader.load(object)?;
        let mut networks: LpmTrie<_, [u8; 4], u32> = LpmTrie::try_from(ebpf.map_mut("NETWORKS")?)?;
        for (option, verdict) in [("--block", 1), ("--allow", 0)] {
            for network in args.all::<String>(option)? {
                networks.insert(&key(&network)?, verdict, 0)?;
            }
        }
        let mut ports: HashMap<_, u16, u8> = HashMap::try_from(ebpf.map_mut("PORTS")?)?;
        for port in args.all::<u16>("--close")? {
            ports.insert(port, 1, 0)?;
        }
        let program: &mut Xdp = ebpf.program_mut("firewall")?.try_into()?;
        program.load()?;
        match args.get::<PathBuf>("--pin")? {
            Some(directory) => keep(program, &iface, &directory)?,
            None => {
                program.attach(&iface, XdpFlags::default())?;
            }
        }
        if let Some(directory) = args.get::<PathBuf>("--pin")? {
            for name in ["NETWORKS", "PORTS", "COUNTERS"] {
                let pin = directory.join(name);
                // Those of the program that was replaced.
                let _ = std::fs::remove_file(&pin);
                ebpf.map(name)?.data().pin(pin)?;
            }
        }
        Ok(Program { ebpf })
    }

    /// What is left to say at the end.
    pub fn report(&self) -> anyhow::Result<()> {
        let counters: PerCpuArray<_, Counter> = PerCpuArray::try_from(self.ebpf.map("COUNTERS")?)?;
        for (index, name) in (0..).zip(REASONS) {
            let packets: u64 = counters.get(&index, 0)?.iter().map(|c| c.packets).sum();
            println!("{name}: {packets} packets");
        }
        Ok(())
    }
}

/// Attaches the program for longer than this process lives. A program that is there is replaced,
/// without a packet in between that neither of them sees.
fn keep(program: &mut Xdp, iface: &str, directory: &Path) -> anyhow::Result<()> {
    let pin = directory.join("link");
    let link = if pin.exists() {
        program.attach_to_link(PinnedLink::from_pin(&pin)?.unpin()?)?
    } else {
        std::fs::create_dir_all(directory)?;
        program.attach(iface, XdpFlags::default())?
    };
    program.take_link(link)?.pin(&pin)?;
    Ok(())
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
