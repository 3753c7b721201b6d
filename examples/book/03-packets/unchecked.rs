#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

/// Reads a byte without asking whether the packet has it.
#[xdp]
fn who(ctx: XdpContext) -> u32 {
    let protocol = (ctx.data() + 23) as *const u8;
    // SAFETY: none: a packet may be shorter.
    if unsafe { *protocol } == 17 {
        return xdp_action::XDP_DROP;
    }
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
