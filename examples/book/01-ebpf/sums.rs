#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

/// Adds up the first bytes of a packet, and drops those that are all zeros.
#[xdp]
fn sums(ctx: XdpContext) -> u32 {
    let mut sum = 0u32;
    for index in 0..64 {
        // `None` at the end of the packet.
        let Some(byte) = ctx.read::<u8>(index) else {
            break;
        };
        sum += u32::from(byte);
    }
    if sum == 0 {
        return xdp_action::XDP_DROP;
    }
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
