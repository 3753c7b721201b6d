//! Types and constants of the kernel's interface, as `include/uapi/linux/bpf.h` has them.
#![allow(non_camel_case_types, reason = "C's own names")]

#[path = "generated/flags.rs"]
#[allow(missing_docs, reason = "C's own names")]
mod flags;
#[path = "generated/helpers.rs"]
#[allow(missing_docs, non_upper_case_globals, reason = "C's own names")]
mod helpers;
#[path = "generated/map_types.rs"]
#[allow(missing_docs, reason = "C's own names")]
mod map_types;
mod types;
#[path = "generated/uapi.rs"]
mod uapi;

pub use flags::*;
pub use helpers::*;
pub use map_types::*;
pub use types::*;
pub use uapi::*;

/// The context of an XDP program: `struct xdp_md`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct xdp_md {
    /// Address of the first byte of the packet (a pointer once the verifier has rewritten the
    /// load).
    pub data: u32,
    /// Address after the last byte of the packet's first buffer.
    pub data_end: u32,
    /// Address of the metadata in front of the packet.
    pub data_meta: u32,
    /// Index of the interface the packet came from.
    pub ingress_ifindex: u32,
    /// Index of the receive queue the packet came from.
    pub rx_queue_index: u32,
    /// Index of the interface the packet goes to, in a program in a devmap (5.8).
    pub egress_ifindex: u32,
}
