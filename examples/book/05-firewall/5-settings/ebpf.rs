//! The firewall's eBPF side: drops packets from blocked networks and to blocked ports.

#![cfg_attr(not(test), no_std, no_main)]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::lpm_trie::Key;
use hachi_ebpf::maps::{HashMap, LpmTrie, PerCpuArray};
use hachi_ebpf::programs::XdpContext;
use hachi_ebpf::{Global, info};

use firewall_common::{BLOCKED_NETWORK, CLOSED_PORT, Counter, PASSED, REASONS};

hachi_ebpf::license!("GPL");
hachi_ebpf::host_main!();

/// Not 0: a packet that no rule is about is dropped. The user side sets it before it loads.
static STRICT: Global<u32> = Global::new(0);

/// Networks: 1 blocks, 0 allows. The longest prefix that fits an address decides.
#[map]
static NETWORKS: LpmTrie<[u8; 4], u32> = LpmTrie::with_max_entries(1024, 0);

/// Ports of UDP and TCP to which nothing gets through.
#[map]
static PORTS: HashMap<u16, u8> = HashMap::with_max_entries(1024, 0);

/// What was done with packets, by reason.
#[map]
static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(REASONS.len() as u32, 0);

#[xdp]
fn firewall(ctx: XdpContext) -> u32 {
    let reason = reason(&ctx);
    COUNTERS.update(reason, |counter| Counter {
        packets: counter.packets + 1,
        bytes: counter.bytes + ctx.len() as u64,
    });
    if reason == PASSED {
        return xdp_action::XDP_PASS;
    }
    let sender = sender(&ctx).unwrap_or_default();
    info!(&ctx, "dropped {} bytes from {:i}", ctx.len(), sender);
    xdp_action::XDP_DROP
}

/// What the rules say of a packet.
fn reason(ctx: &XdpContext) -> u32 {
    let Some(sender) = sender(ctx) else {
        return PASSED;
    };
    match NETWORKS.get(Key::new(32, sender)) {
        Some(0) => {}
        None if STRICT.load() == 0 => {}
        _ => return BLOCKED_NETWORK,
    }
    match port(ctx) {
        Some(port) if PORTS.get(port).is_some() => CLOSED_PORT,
        _ => PASSED,
    }
}

/// The sender of an IPv4 packet.
fn sender(ctx: &XdpContext) -> Option<[u8; 4]> {
    match ctx.read::<[u8; 2]>(12)? {
        [0x08, 0x00] => ctx.read(26),
        _ => None,
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The port to which an IPv4 packet goes.
fn port(ctx: &XdpContext) -> Option<u16> {
    sender(ctx)?;
    let (TCP | UDP) = ctx.read(23)? else {
        return None;
    };
    let header = usize::from(ctx.read::<u8>(14)? & 0x0f) * 4;
    Some(u16::from_be_bytes(ctx.read(14 + header + 2)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hachi_ebpf::test::{Input, Kernel};

    #[test]
    fn the_longest_prefix_decides() {
        let _kernel = Kernel::new();
        NETWORKS.insert(Key::new(8, [10, 0, 0, 0]), 1, 0).unwrap();
        NETWORKS.insert(Key::new(24, [10, 1, 2, 0]), 0, 0).unwrap();
        let verdict = |sender: [u8; 4]| {
            let mut packet = [0; 64];
            packet[12] = 0x08;
            packet[26..30].copy_from_slice(&sender);
            Input::new(packet).run(firewall)
        };
        assert_eq!(verdict([10, 9, 9, 9]), xdp_action::XDP_DROP);
        assert_eq!(verdict([10, 1, 2, 3]), xdp_action::XDP_PASS);
        assert_eq!(verdict([192, 0, 2, 1]), xdp_action::XDP_PASS);
    }

    #[test]
    fn blocked_ports_are_closed_to_all() {
        let _kernel = Kernel::new();
        PORTS.insert(7000, 1, 0).unwrap();
        let verdict = |protocol: u8, port: u16| {
            let mut packet = [0; 64];
            packet[12] = 0x08;
            packet[14] = 0x45;
            packet[23] = protocol;
            packet[36..38].copy_from_slice(&port.to_be_bytes());
            Input::new(packet).run(firewall)
        };
        assert_eq!(verdict(UDP, 7000), xdp_action::XDP_DROP);
        assert_eq!(verdict(TCP, 7000), xdp_action::XDP_DROP);
        assert_eq!(verdict(UDP, 7001), xdp_action::XDP_PASS);
        assert_eq!(verdict(1, 7000), xdp_action::XDP_PASS);
    }

    #[test]
    fn strict_drops_sources_that_are_not_allowed() {
        let kernel = Kernel::new();
        kernel.set_global(&STRICT, 1);
        NETWORKS.insert(Key::new(24, [10, 1, 2, 0]), 0, 0).unwrap();
        let verdict = |sender: [u8; 4]| {
            let mut packet = [0; 64];
            packet[12] = 0x08;
            packet[26..30].copy_from_slice(&sender);
            Input::new(packet).run(firewall)
        };
        assert_eq!(verdict([10, 1, 2, 3]), xdp_action::XDP_PASS);
        assert_eq!(verdict([10, 9, 9, 9]), xdp_action::XDP_DROP);
    }
}
