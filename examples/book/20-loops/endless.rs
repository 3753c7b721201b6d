#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

/// Ends after two hundred million rounds. The verifier does not wait for that.
#[xdp]
fn long(ctx: XdpContext) -> u32 {
    let mut number = ctx.rx_queue_index();
    for round in 0..200_000_000 {
        number = number.rotate_left(3) ^ round;
    }
    number & xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
