//! The kernel side of a first XDP program as it was written for Aya in 2021; only `Cargo.toml`
//! knows that `aya-bpf` is Hachi now.

#![no_std]
#![no_main]

use aya_bpf::{bindings::xdp_action, cty::c_long, macros::xdp, programs::XdpContext};

// ANCHOR: program
#[xdp(name = "xdp")]
pub fn xdp(ctx: XdpContext) -> u32 {
    match unsafe { try_xdp(ctx) } {
        Ok(ret) => ret,
        Err(_) => xdp_action::XDP_ABORTED,
    }
}

unsafe fn try_xdp(_ctx: XdpContext) -> Result<u32, c_long> {
    Ok(xdp_action::XDP_PASS)
}
// ANCHOR_END: program

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    unsafe { core::hint::unreachable_unchecked() }
}
