//! The attributes of programs and maps.

pub use hachi_ebpf_macros::btf_tracepoint as tp_btf;
pub use hachi_ebpf_macros::*;
