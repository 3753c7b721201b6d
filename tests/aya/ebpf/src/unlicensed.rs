//! A program that says nothing of its licence, as those of Aya's template.

#![no_std]
#![no_main]

use aya_ebpf::{helpers::bpf_get_current_comm, macros::tracepoint, programs::TracePointContext};

#[tracepoint]
pub fn named(_ctx: TracePointContext) -> u32 {
    u32::from(bpf_get_current_comm().is_err())
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    unsafe { core::hint::unreachable_unchecked() }
}
