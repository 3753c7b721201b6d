#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::info;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::ProgramArray;
use hachi_ebpf::programs::XdpContext;

/// A program for each protocol.
#[map]
static STAGES: ProgramArray = ProgramArray::with_max_entries(256, 0);

#[xdp]
fn first(ctx: XdpContext) -> u32 {
    let protocol = ctx.read::<u8>(23).unwrap_or(0);
    // Comes back only if there is no program for the protocol.
    let Err(_) = STAGES.tail_call(&ctx, protocol.into());
    info!(&ctx, "nobody looks at protocol {}", protocol);
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
