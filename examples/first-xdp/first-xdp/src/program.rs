//! How the program is loaded and attached, and what it has counted.

use std::net::Ipv4Addr;

use hachi::Ebpf;
use hachi::maps::{HashMap, PerCpuArray};
use hachi::programs::{Xdp, XdpFlags};

use crate::args::Args;
use first_xdp_common::{Counter, DROPPED, PASSED};

pub const HELP: &str = "\
Count the packets that arrive at an interface, and drop those of blocked addresses.

Usage: first-xdp --iface IFACE [--block ADDRESS]...

  --iface IFACE     the interface, such as eth0
  --block ADDRESS   drop packets from this IPv4 address; may be given several times
  --help            print this

Needs root. `cargo run` asks sudo for it.";

pub const OPTIONS: &[&str] = &["--iface", "--block"];

/// The program, attached.
pub struct Program {
    pub ebpf: Ebpf,
}

impl Program {
    pub fn start(object: &[u8], args: &Args) -> anyhow::Result<Program> {
        let iface: String = args.need("--iface")?;
        let mut ebpf = Ebpf::load(object)?;
        // The rules are there before the first packet.
        let mut blocklist: HashMap<_, [u8; 4], u8> = HashMap::try_from(ebpf.map_mut("BLOCKLIST")?)?;
        for address in args.all::<Ipv4Addr>("--block")? {
            blocklist.insert(address.octets(), 1, 0)?;
        }
        let program: &mut Xdp = ebpf.program_mut("first_xdp")?.try_into()?;
        program.load()?;
        // The program owns the link; it is detached when `ebpf` goes away.
        program.attach(&iface, XdpFlags::default())?;
        Ok(Program { ebpf })
    }

    /// What is left to say at the end.
    pub fn report(&self) -> anyhow::Result<()> {
        let counters: PerCpuArray<_, Counter> = PerCpuArray::try_from(self.ebpf.map("COUNTERS")?)?;
        for (name, index) in [("passed", PASSED), ("dropped", DROPPED)] {
            let (mut packets, mut bytes) = (0, 0);
            for counter in counters.get(&index, 0)?.iter() {
                packets += counter.packets;
                bytes += counter.bytes;
            }
            println!("{name}: {packets} packets, {bytes} bytes");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OBJECT;
    use hachi_test::{Bpf, Input};

    /// Two tests: `…::vm` runs the program without a kernel, `…::kernel` in it, as root.
    #[hachi_test::test(OBJECT)]
    fn a_blocked_source_is_dropped(bpf: &mut Bpf) {
        let mut blocklist = bpf.map::<[u8; 4], u8>("BLOCKLIST");
        blocklist.insert([192, 0, 2, 7], 1).unwrap();
        let mut verdict = |source| {
            let packet = packet_from(source);
            bpf.run("first_xdp", &Input::new(&packet)).verdict
        };
        assert_eq!(verdict([192, 0, 2, 7]), XDP_DROP);
        assert_eq!(verdict([192, 0, 2, 8]), XDP_PASS);
        let dropped = bpf.map::<u32, Counter>("COUNTERS").per_cpu(DROPPED);
        let packets: u64 = dropped.iter().map(|counter| counter.packets).sum();
        assert_eq!(packets, 1);
        assert_eq!(bpf.logs(), ["dropped 64 bytes from 192.0.2.7"]);
    }

    const XDP_DROP: u32 = 1;
    const XDP_PASS: u32 = 2;

    /// An Ethernet frame with the start of an IPv4 header in it.
    fn packet_from(source: [u8; 4]) -> [u8; 64] {
        let mut packet = [0; 64];
        packet[12..14].copy_from_slice(&0x0800u16.to_be_bytes());
        packet[26..30].copy_from_slice(&source);
        packet
    }
}
