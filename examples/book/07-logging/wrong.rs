#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::info;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

#[xdp]
fn log(ctx: XdpContext) -> u32 {
    info!(&ctx, "from {:i}", ctx.len() as u8);
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
