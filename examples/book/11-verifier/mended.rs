#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::Array;
use hachi_ebpf::programs::XdpContext;

/// Verdicts, by the low bits of the first byte.
#[map]
static VERDICTS: Array<[u32; 8]> = Array::with_max_entries(1, 0);

#[xdp]
fn choose(ctx: XdpContext) -> u32 {
    let (Some(verdicts), Some(byte)) = (VERDICTS.get(0), ctx.read::<u8>(0)) else {
        return xdp_action::XDP_PASS;
    };
    let index = usize::from(byte & 15);
    verdicts.get(index).copied().unwrap_or(xdp_action::XDP_PASS)
}

hachi_ebpf::license!("GPL");
