#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::LruHashMap;
use hachi_ebpf::programs::XdpContext;

/// Packets by their senders.
#[map]
static VISITORS: LruHashMap<[u8; 4], u64> = LruHashMap::with_max_entries(1024, 0);

#[xdp]
fn visitors(ctx: XdpContext) -> u32 {
    if let Some(sender) = ctx.read::<[u8; 4]>(26) {
        let packets = VISITORS.get(sender).unwrap_or(0);
        // A full map makes room by itself.
        let _ = VISITORS.insert(sender, packets + 1, 0);
    }
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
