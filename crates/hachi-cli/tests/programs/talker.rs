//! Tells of every packet, in a message long enough to fill the buffer soon.
#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::info;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

hachi_ebpf::license!("GPL");

#[xdp]
fn talker(ctx: XdpContext) -> u32 {
    info!(&ctx, "a packet of {} bytes, told in a message of some length", ctx.len());
    xdp_action::XDP_PASS
}
