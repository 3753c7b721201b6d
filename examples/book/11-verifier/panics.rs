#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

/// Where the bytes of each kind of packet are.
const PLACES: [usize; 4] = [12, 23, 26, 30];

#[xdp]
fn look(ctx: XdpContext) -> u32 {
    let kind = usize::from(ctx.read::<u8>(0).unwrap_or(0));
    match ctx.read::<u8>(PLACES[kind]) {
        Some(0) => xdp_action::XDP_DROP,
        _ => xdp_action::XDP_PASS,
    }
}

hachi_ebpf::license!("GPL");
