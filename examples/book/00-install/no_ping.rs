#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::info;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

/// Where the protocol is: behind the Ethernet header, 9 bytes into the IP header.
const PROTOCOL: usize = 14 + 9;
const ICMP: u8 = 1;

#[xdp]
fn no_ping(ctx: XdpContext) -> u32 {
    if ctx.read::<u8>(PROTOCOL) == Some(ICMP) {
        info!(&ctx, "a ping of {} bytes, dropped", ctx.len());
        return xdp_action::XDP_DROP;
    }
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
