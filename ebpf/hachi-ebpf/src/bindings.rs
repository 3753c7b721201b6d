//! Types and constants of the kernel's interface, as `include/uapi/linux/bpf.h` has them.
#![allow(non_camel_case_types, reason = "C's own names")]

/// What an XDP program returns: `enum xdp_action`.
pub mod xdp_action {
    /// The type of an action.
    pub type Type = u32;
    /// Something went wrong: drop the packet and raise the tracepoint `xdp:xdp_exception`.
    pub const XDP_ABORTED: Type = 0;
    /// Drop the packet.
    pub const XDP_DROP: Type = 1;
    /// Let the packet go on to the network stack.
    pub const XDP_PASS: Type = 2;
    /// Send the packet back out of the interface it came from.
    pub const XDP_TX: Type = 3;
    /// Send the packet where `bpf_redirect` or `bpf_redirect_map` said.
    pub const XDP_REDIRECT: Type = 4;
}

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

/// Map types: `enum bpf_map_type`.
pub mod bpf_map_type {
    /// The type of a map type.
    pub type Type = u32;
    /// Hash table (3.19).
    pub const BPF_MAP_TYPE_HASH: Type = 1;
    /// Array (3.19).
    pub const BPF_MAP_TYPE_ARRAY: Type = 2;
    /// Hash table with a value for each CPU (4.6).
    pub const BPF_MAP_TYPE_PERCPU_HASH: Type = 5;
    /// Array with a value for each CPU (4.6).
    pub const BPF_MAP_TYPE_PERCPU_ARRAY: Type = 6;
    /// Hash table that drops the entries not used lately (4.10).
    pub const BPF_MAP_TYPE_LRU_HASH: Type = 9;
    /// The same with a value for each CPU (4.10).
    pub const BPF_MAP_TYPE_LRU_PERCPU_HASH: Type = 10;
    /// Longest-prefix match (4.11).
    pub const BPF_MAP_TYPE_LPM_TRIE: Type = 11;
    /// Ring buffer to user space (5.8).
    pub const BPF_MAP_TYPE_RINGBUF: Type = 27;
}

/// Update: create the entry or replace it.
pub const BPF_ANY: u64 = 0;
/// Update: create the entry; fail with `-EEXIST` if it exists.
pub const BPF_NOEXIST: u64 = 1;
/// Update: replace the entry; fail with `-ENOENT` if it does not exist.
pub const BPF_EXIST: u64 = 2;
/// Update: with the lock of the value's `bpf_spin_lock` held (5.1).
pub const BPF_F_LOCK: u64 = 4;

/// Map creation: allocate entries when they are made (4.6).
pub const BPF_F_NO_PREALLOC: u32 = 1 << 0;
/// Map creation: one LRU list for each CPU instead of a common one (4.10).
pub const BPF_F_NO_COMMON_LRU: u32 = 1 << 1;
/// Map creation: user space may only read (4.15).
pub const BPF_F_RDONLY: u32 = 1 << 3;
/// Map creation: user space may only write (4.15).
pub const BPF_F_WRONLY: u32 = 1 << 4;
/// Map creation: programs may only read (5.2).
pub const BPF_F_RDONLY_PROG: u32 = 1 << 7;
/// Map creation: programs may only write (5.2).
pub const BPF_F_WRONLY_PROG: u32 = 1 << 8;
/// Map creation: user space may map the array into its memory (5.5).
pub const BPF_F_MMAPABLE: u32 = 1 << 10;

/// Ring buffer: do not wake the reader.
pub const BPF_RB_NO_WAKEUP: u64 = 1;
/// Ring buffer: wake the reader in any case.
pub const BPF_RB_FORCE_WAKEUP: u64 = 2;
/// Ring buffer query: bytes not yet read.
pub const BPF_RB_AVAIL_DATA: u64 = 0;
/// Ring buffer query: size of the buffer in bytes.
pub const BPF_RB_RING_SIZE: u64 = 1;
/// Ring buffer query: the reader's position.
pub const BPF_RB_CONS_POS: u64 = 2;
/// Ring buffer query: the writers' position.
pub const BPF_RB_PROD_POS: u64 = 3;
