#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::{HashMap, PerCpuArray};
use hachi_ebpf::programs::XdpContext;

/// Packets by protocol, one number for each CPU.
#[map]
static PROTOCOLS: PerCpuArray<u64> = PerCpuArray::with_max_entries(256, 0);

/// Senders that are dropped. Nobody is in it at first.
#[map]
static BLOCKED: HashMap<[u8; 4], u8> = HashMap::with_max_entries(1024, 0);

#[xdp]
fn count(ctx: XdpContext) -> u32 {
    let Some(protocol) = ctx.read::<u8>(23) else {
        return xdp_action::XDP_PASS;
    };
    PROTOCOLS.update(u32::from(protocol), |packets| packets + 1);
    match ctx.read::<[u8; 4]>(26) {
        Some(sender) if BLOCKED.get(sender).is_some() => xdp_action::XDP_DROP,
        _ => xdp_action::XDP_PASS,
    }
}

hachi_ebpf::license!("GPL");
