//! What the kernel sides share.

#![no_std]
#![forbid(unsafe_code)]

pub mod tcp;

/// The number of the process that runs.
#[inline(always)]
pub fn current_pid() -> u32 {
    (hachi_ebpf::helpers::bpf_get_current_pid_tgid() >> 32) as u32
}

/// The name of the thread that runs.
#[inline(always)]
pub fn current_comm() -> tools_common::Comm {
    hachi_ebpf::helpers::bpf_get_current_comm().unwrap_or_default()
}
