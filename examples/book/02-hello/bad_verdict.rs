#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

/// Counts down from a number in the packet. When does it end?
#[xdp]
fn hello(ctx: XdpContext) -> u32 {
    let mut left = ctx.read::<u32>(26).unwrap_or(0);
    while left != 0 {
        left = left.wrapping_mul(5).wrapping_add(ctx.rx_queue_index());
    }
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
