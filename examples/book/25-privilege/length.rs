#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

#[xdp]
fn length(ctx: XdpContext) -> u32 {
    if ctx.len() > 1000 {
        return xdp_action::XDP_DROP;
    }
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
