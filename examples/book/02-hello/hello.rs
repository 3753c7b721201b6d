#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::info;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

#[xdp]
fn hello(ctx: XdpContext) -> u32 {
    info!(&ctx, "hello, packet of {} bytes", ctx.len());
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
