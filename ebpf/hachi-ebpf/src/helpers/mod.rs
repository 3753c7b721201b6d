//! The kernel's helper functions, by the names of `include/uapi/linux/bpf.h`, which documents them
//! (also the manual page bpf-helpers(7)). This is what XDP programs and the maps of this crate
//! need.
//!
//! Each says which kernel has it first, and if it is for programs of a GPL-compatible licence only.
//!
//! In a build for the development machine there is no kernel behind them: pointers come back null,
//! results negative (`-ENOSYS`), numbers zero.

#[macro_use]
mod call;
mod printk;
mod tracing;

pub use tracing::*;

use crate::bindings::xdp_md;
use crate::cty::{c_char, c_int, c_long, c_void};

/// What a helper returned, as a `Result`: negative numbers are errors (`-errno`).
#[inline(always)]
pub(crate) fn check(result: c_long) -> Result<(), c_long> {
    if result < 0 { Err(result) } else { Ok(()) }
}

helpers! {
    /// The value of `key` in `map`, or null (3.19).
    ///
    /// # Safety
    /// `map` must be a map of this object and `key` readable for its key size.
    pub unsafe fn bpf_map_lookup_elem(map: *mut c_void, key: *const c_void) -> *mut c_void = 1;

    /// Sets `key` in `map` to `value`; `flags` is `BPF_ANY`, `BPF_NOEXIST` or `BPF_EXIST` (3.19).
    ///
    /// # Safety
    /// `map` must be a map of this object, `key` and `value` readable for its key and value size.
    pub unsafe fn bpf_map_update_elem(map: *mut c_void, key: *const c_void, value: *const c_void, flags: u64) -> c_long = 2;

    /// Removes `key` from `map` (3.19).
    ///
    /// # Safety
    /// `map` must be a map of this object and `key` readable for its key size.
    pub unsafe fn bpf_map_delete_elem(map: *mut c_void, key: *const c_void) -> c_long = 3;

    /// Nanoseconds since the machine started, without the time it was suspended (4.1; GPL only
    /// before 5.8).
    pub fn bpf_ktime_get_ns() -> u64 = 5;

    /// Writes to `/sys/kernel/tracing/trace_pipe` (4.1; GPL only).
    /// [`bpf_printk!`](crate::bpf_printk) calls it.
    ///
    /// # Safety
    /// `format` must be readable for `size` bytes and end with a NUL.
    pub unsafe fn bpf_trace_printk(format: *const c_char, size: u32, a: u64, b: u64, c: u64) -> c_long = 6;

    /// A random number (4.1).
    pub fn bpf_get_prandom_u32() -> u32 = 7;

    /// The number of the CPU the program runs on (4.1).
    pub fn bpf_get_smp_processor_id() -> u32 = 8;

    /// Redirects the packet to the interface `ifindex`; return what it returns (4.14 in XDP
    /// programs).
    pub fn bpf_redirect(ifindex: u32, flags: u64) -> c_long = 23;

    /// The difference of two checksums, added to `seed`; either side may be of size 0 (4.6). Sizes
    /// are multiples of 4, at most 512.
    ///
    /// # Safety
    /// `from` and `to` must be readable for their sizes.
    pub unsafe fn bpf_csum_diff(from: *const u32, from_size: u32, to: *const u32, to_size: u32, seed: u32) -> i64 = 28;

    /// Number of the NUMA node the program runs on (4.10).
    pub fn bpf_get_numa_node_id() -> c_long = 42;

    /// Moves the start of the packet (4.10). Pointers into the packet are void afterwards.
    ///
    /// # Safety
    /// `ctx` must be the kernel's context.
    pub unsafe fn bpf_xdp_adjust_head(ctx: *mut xdp_md, delta: c_int) -> c_long = 44;

    /// Redirects the packet to the entry `key` of a devmap, cpumap or xskmap; return what it
    /// returns (4.14).
    ///
    /// # Safety
    /// `map` must be such a map of this object.
    pub unsafe fn bpf_redirect_map(map: *mut c_void, key: u64, flags: u64) -> c_long = 51;

    /// Moves the start of the metadata (4.15). Pointers into the packet are void afterwards.
    ///
    /// # Safety
    /// `ctx` must be the kernel's context.
    pub unsafe fn bpf_xdp_adjust_meta(ctx: *mut xdp_md, delta: c_int) -> c_long = 54;

    /// Moves the end of the packet (4.18). Pointers into the packet are void afterwards.
    ///
    /// # Safety
    /// `ctx` must be the kernel's context.
    pub unsafe fn bpf_xdp_adjust_tail(ctx: *mut xdp_md, delta: c_int) -> c_long = 65;

    /// Jiffies since the machine started (5.5).
    pub fn bpf_jiffies64() -> u64 = 118;

    /// Nanoseconds since the machine started, with the time it was suspended (5.8).
    pub fn bpf_ktime_get_boot_ns() -> u64 = 125;

    /// Copies `size` bytes into a ring buffer (5.8).
    ///
    /// # Safety
    /// `ring` must be a ring buffer of this object, `data` readable for `size` bytes.
    pub unsafe fn bpf_ringbuf_output(ring: *mut c_void, data: *mut c_void, size: u64, flags: u64) -> c_long = 130;

    /// Reserves `size` bytes, a constant, in a ring buffer; null when it is full (5.8).
    ///
    /// # Safety
    /// `ring` must be a ring buffer of this object. What is reserved must be submitted or
    /// discarded.
    pub unsafe fn bpf_ringbuf_reserve(ring: *mut c_void, size: u64, flags: u64) -> *mut c_void = 131;

    /// Hands a reservation to the reader (5.8).
    ///
    /// # Safety
    /// `data` must come from `bpf_ringbuf_reserve`, and is void afterwards.
    pub unsafe fn bpf_ringbuf_submit(data: *mut c_void, flags: u64) -> () = 132;

    /// Gives a reservation back (5.8).
    ///
    /// # Safety
    /// `data` must come from `bpf_ringbuf_reserve`, and is void afterwards.
    pub unsafe fn bpf_ringbuf_discard(data: *mut c_void, flags: u64) -> () = 133;

    /// A property of a ring buffer: one of the flags `BPF_RB_AVAIL_DATA`, `BPF_RB_RING_SIZE`,
    /// `BPF_RB_CONS_POS`, `BPF_RB_PROD_POS` (5.8).
    ///
    /// # Safety
    /// `ring` must be a ring buffer of this object.
    pub unsafe fn bpf_ringbuf_query(ring: *mut c_void, flags: u64) -> u64 = 134;

    /// Nanoseconds since the machine started, as of the last tick: cheaper than `bpf_ktime_get_ns`
    /// (5.11).
    pub fn bpf_ktime_get_coarse_ns() -> u64 = 160;

    /// Length of the packet, all its buffers together (5.18).
    ///
    /// # Safety
    /// `ctx` must be the kernel's context.
    pub unsafe fn bpf_xdp_get_buff_len(ctx: *mut xdp_md) -> u64 = 188;

    /// Copies `len` bytes at `offset` out of any buffer of the packet (5.18).
    ///
    /// # Safety
    /// `ctx` must be the kernel's context, `to` writable for `len` bytes.
    pub unsafe fn bpf_xdp_load_bytes(ctx: *mut xdp_md, offset: u32, to: *mut c_void, len: u32) -> c_long = 189;

    /// Copies `len` bytes to `offset` into any buffer of the packet (5.18).
    ///
    /// # Safety
    /// `ctx` must be the kernel's context, `from` readable for `len` bytes.
    pub unsafe fn bpf_xdp_store_bytes(ctx: *mut xdp_md, offset: u32, from: *const c_void, len: u32) -> c_long = 190;

    /// The value of `key` in a per-CPU `map` for CPU number `cpu`, or null (5.19).
    ///
    /// # Safety
    /// `map` must be a per-CPU map of this object and `key` readable for its key size.
    pub unsafe fn bpf_map_lookup_percpu_elem(map: *mut c_void, key: *const c_void, cpu: u32) -> *mut c_void = 195;
}
