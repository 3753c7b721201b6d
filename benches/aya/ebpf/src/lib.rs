//! What the kernel sides share.

#![no_std]

pub mod tcp;
pub mod vmlinux;

use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid};
use tools_common::Comm;

/// The number of the process that runs.
#[inline(always)]
pub fn current_pid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// The name of the thread that runs.
#[inline(always)]
pub fn current_comm() -> Comm {
    bpf_get_current_comm().unwrap_or_default()
}

/// The verifier sees to it that nothing comes here.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
