//! The XDP program: runs in the kernel, once for each packet that arrives.

#![cfg_attr(not(test), no_std, no_main)]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::info;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::{HashMap, PerCpuArray};
use hachi_ebpf::programs::XdpContext;

use first_xdp_common::{Counter, DROPPED, PASSED};

hachi_ebpf::license!("GPL");
// The kernel calls the program below; `cargo build --workspace` wants a `main` as well.
hachi_ebpf::host_main!();

/// IPv4 addresses whose packets are dropped. The user side fills it.
#[map]
static BLOCKLIST: HashMap<[u8; 4], u8> = HashMap::with_max_entries(1024, 0);

/// What was done with packets, by `PASSED` and `DROPPED`.
#[map]
static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(2, 0);

#[xdp]
fn first_xdp(ctx: XdpContext) -> u32 {
    match blocked_source(&ctx) {
        Some(source) => {
            count(DROPPED, ctx.len() as u64);
            info!(&ctx, "dropped {} bytes from {:i}", ctx.len(), source);
            xdp_action::XDP_DROP
        }
        None => {
            count(PASSED, ctx.len() as u64);
            xdp_action::XDP_PASS
        }
    }
}

const ETHERNET_HEADER: usize = 14;

/// The packet's source address, if it is IPv4 and blocked.
fn blocked_source(ctx: &XdpContext) -> Option<[u8; 4]> {
    // Every read checks that the packet is long enough, and says `None` when it is not.
    let protocol = u16::from_be_bytes(ctx.read(12)?);
    if protocol != 0x0800 {
        return None;
    }
    let source: [u8; 4] = ctx.read(ETHERNET_HEADER + 12)?;
    BLOCKLIST.get(source)?;
    Some(source)
}

fn count(index: u32, bytes: u64) {
    COUNTERS.update(index, |counter| Counter {
        packets: counter.packets + 1,
        bytes: counter.bytes + bytes,
    });
}

/// The program as an ordinary function, with maps in the test's memory.
#[cfg(test)]
mod tests {
    use super::*;
    use hachi_ebpf::test::{Input, Kernel};

    #[test]
    fn drops_blocked_sources_and_counts() {
        let kernel = Kernel::new();
        BLOCKLIST.insert([192, 0, 2, 7], 1, 0).unwrap();
        let verdict = |source| Input::new(packet_from(source)).run(first_xdp);
        assert_eq!(verdict([192, 0, 2, 7]), xdp_action::XDP_DROP);
        assert_eq!(verdict([192, 0, 2, 8]), xdp_action::XDP_PASS);
        assert_eq!(COUNTERS.get(DROPPED).unwrap().packets, 1);
        assert_eq!(COUNTERS.get(PASSED).unwrap().bytes, 64);
        assert_eq!(kernel.logs(), ["dropped 64 bytes from 192.0.2.7"]);
    }

    #[test]
    fn passes_packets_that_are_cut_short() {
        assert_eq!(Input::new([0; 13]).run(first_xdp), xdp_action::XDP_PASS);
    }

    /// An Ethernet frame with the start of an IPv4 header in it.
    fn packet_from(source: [u8; 4]) -> [u8; 64] {
        let mut packet = [0; 64];
        packet[12..14].copy_from_slice(&0x0800u16.to_be_bytes());
        packet[26..30].copy_from_slice(&source);
        packet
    }
}
