//! The firewall's eBPF side: drops packets from blocked networks.

#![cfg_attr(not(test), no_std, no_main)]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::info;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::lpm_trie::Key;
use hachi_ebpf::maps::{LpmTrie, PerCpuArray};
use hachi_ebpf::programs::XdpContext;

use firewall_common::{Counter, DROPPED, PASSED};

hachi_ebpf::license!("GPL");
hachi_ebpf::host_main!();

/// Networks: 1 blocks, 0 allows. The longest prefix that fits an address decides.
#[map]
static NETWORKS: LpmTrie<[u8; 4], u32> = LpmTrie::with_max_entries(1024, 0);

/// What was done with packets, by `PASSED` and `DROPPED`.
#[map]
static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(2, 0);

#[xdp]
fn firewall(ctx: XdpContext) -> u32 {
    let sender = sender(&ctx);
    let is_blocked = sender.is_some_and(|sender| NETWORKS.get(Key::new(32, sender)) == Some(1));
    let counter = if is_blocked { DROPPED } else { PASSED };
    COUNTERS.update(counter, |counter| Counter {
        packets: counter.packets + 1,
        bytes: counter.bytes + ctx.len() as u64,
    });
    match sender {
        Some(sender) if is_blocked => {
            info!(&ctx, "dropped {} bytes from {:i}", ctx.len(), sender);
            xdp_action::XDP_DROP
        }
        _ => xdp_action::XDP_PASS,
    }
}

/// The sender of an IPv4 packet.
fn sender(ctx: &XdpContext) -> Option<[u8; 4]> {
    match ctx.read::<[u8; 2]>(12)? {
        [0x08, 0x00] => ctx.read(26),
        _ => None,
    }
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
}
