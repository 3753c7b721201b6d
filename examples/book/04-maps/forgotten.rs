#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

static mut PACKETS: [u64; 4] = [0; 4];

#[xdp]
fn count(ctx: XdpContext) -> u32 {
    let queue = ctx.rx_queue_index() as usize;
    // SAFETY: none: other CPUs write here, too.
    unsafe {
        let packets = &raw mut PACKETS;
        *packets.cast::<u64>().add(queue) += 1;
    }
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
