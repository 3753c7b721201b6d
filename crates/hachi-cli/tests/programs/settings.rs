//! Globals of which not every bit pattern is a value.
#![no_std]
#![no_main]

use hachi_ebpf::{Global, Shareable};
use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

hachi_ebpf::license!("GPL");

#[repr(u8)]
#[derive(Clone, Copy, Shareable)]
enum Mode {
    Off = 1,
    On = 2,
}

#[unsafe(no_mangle)]
static FLAG: Global<bool> = Global::new(false);
#[unsafe(no_mangle)]
static MODE: Global<Mode> = Global::new(Mode::Off);

#[xdp]
fn settings(_ctx: XdpContext) -> u32 {
    match (FLAG.load(), MODE.load()) {
        (false, _) => xdp_action::XDP_TX,
        (true, Some(Mode::Off)) => xdp_action::XDP_PASS,
        (true, Some(Mode::On)) => xdp_action::XDP_DROP,
        (true, None) => xdp_action::XDP_ABORTED,
    }
}
