#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::bpf_printk;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

#[xdp]
fn look(ctx: XdpContext) -> u32 {
    bpf_printk!("a packet of %d bytes", ctx.len() as u32);
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("MIT");
