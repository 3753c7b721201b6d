#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

/// Trusts that each packet has a sender.
#[xdp]
fn gate(ctx: XdpContext) -> u32 {
    let sender = (ctx.data() + 26) as *const u8;
    // SAFETY: none: the packet may be shorter.
    match unsafe { sender.read() } {
        10 => xdp_action::XDP_PASS,
        _ => xdp_action::XDP_DROP,
    }
}

hachi_ebpf::license!("GPL");
