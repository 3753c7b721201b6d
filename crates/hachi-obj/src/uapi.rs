//! Numbers of the kernel's interface under C's own names.

#[path = "generated/bpf_cmd.rs"]
pub mod bpf_cmd;
#[path = "generated/uapi.rs"]
mod numbers;

pub use numbers::*;
