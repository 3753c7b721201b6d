#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

/// Adds up the first bytes of a packet, from a copy on the stack.
#[xdp]
fn sums(ctx: XdpContext) -> u32 {
    let Some(bytes) = ctx.read::<[u8; 600]>(0) else {
        return xdp_action::XDP_PASS;
    };
    let mut sum = 0u32;
    for index in 0..600 {
        sum += u32::from(bytes[(index * 7 + sum as usize) % 600]);
    }
    if sum == 0 {
        return xdp_action::XDP_DROP;
    }
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
