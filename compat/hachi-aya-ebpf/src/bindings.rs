//! Types and constants of the kernel's interface.
#![allow(non_camel_case_types, reason = "C's own names")]

pub use hachi_ebpf::{
    bindings::*,
    programs::{bpf_perf_event_data, pt_regs},
};

/// What arguments of a raw tracepoint stand in.
#[repr(C)]
#[derive(Debug)]
pub struct bpf_raw_tracepoint_args {
    /// The arguments, as many as the tracepoint has.
    pub args: [u64; 0],
}

/// Types of the kernel whose pointers programs pass on.
macro_rules! opaque {
    ($($name:ident)*) => { $(
        #[doc = concat!("`struct ", stringify!($name), "` of the kernel, behind a pointer.")]
        #[repr(C)]
        #[derive(Debug)]
        pub struct $name {
            _private: [u8; 0],
        }
    )* };
}

opaque! {
    cgroup inode linux_binprm mptcp_sock path seq_file sockaddr task_struct tcp6_sock
    tcp_request_sock tcp_sock tcp_timewait_sock udp6_sock unix_sock
}
