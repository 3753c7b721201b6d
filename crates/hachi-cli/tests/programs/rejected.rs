//! Mistakes that compile and link, and that only the verifier finds. `//~ RULE` marks the line to
//! which the explanation must point.
#![no_std]
#![no_main]

use hachi_ebpf::{EbpfContext as _, Global};
use hachi_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use hachi_ebpf::helpers::{bpf_get_prandom_u32, bpf_ktime_get_ns};
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::{Array, HashMap, RingBuf};
use hachi_ebpf::programs::XdpContext;

hachi_ebpf::license!("GPL");

#[map]
static NAMES: HashMap<u32, [u8; 16]> = HashMap::with_max_entries(8, 0);

#[map]
static TABLE: Array<[u32; 8]> = Array::with_max_entries(1, 0);

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);

static LIMIT: Global<u32> = Global::new(3);

/// The packet may be shorter.
#[xdp]
fn unchecked_packet(ctx: XdpContext) -> u32 {
    let protocol = (ctx.data() + 12) as *const u16;
    match unsafe { protocol.read_unaligned() } { //~ packet-bounds
        8 => XDP_PASS,
        _ => XDP_DROP,
    }
}

/// Compared, but with less than is read.
#[xdp]
fn short_check(ctx: XdpContext) -> u32 {
    let start = ctx.data() as *const u8;
    let end = ctx.data_end() as *const u8;
    if start.wrapping_add(14) > end {
        return XDP_PASS;
    }
    let ttl = unsafe { start.add(22).read_volatile() }; //~ packet-bounds
    if ttl == 0 { XDP_DROP } else { XDP_PASS }
}

/// The map may not have that key.
#[xdp]
fn unwrapped_lookup(_: XdpContext) -> u32 {
    let name = unsafe { NAMES.get_ptr(7).unwrap_unchecked() };
    let first = unsafe { (*name)[0] }; //~ null-check-missing
    if first == 0 { XDP_DROP } else { XDP_PASS }
}

/// The index may be anything.
#[xdp]
fn unbounded_index(_: XdpContext) -> u32 {
    let Some(table) = TABLE.get(0) else {
        return XDP_PASS;
    };
    let index = bpf_get_prandom_u32() as usize;
    let entry = unsafe { *table.get_unchecked(index) }; //~ unbounded-memory
    if entry == 0 { XDP_DROP } else { XDP_PASS }
}

/// Limited, but not enough.
#[xdp]
fn index_too_far(_: XdpContext) -> u32 {
    let Some(table) = TABLE.get(0) else {
        return XDP_PASS;
    };
    let index = (bpf_get_prandom_u32() & 15) as usize;
    let entry = unsafe { *table.get_unchecked(index) }; //~ map-value-bounds
    if entry == 0 { XDP_DROP } else { XDP_PASS }
}

/// An address out of thin air.
#[xdp]
fn number_as_pointer(_: XdpContext) -> u32 {
    let address = bpf_ktime_get_ns() as *const u32;
    unsafe { address.read_volatile() } //~ number-as-pointer
}

/// Settings are read-only in the kernel.
#[xdp]
fn writes_a_setting(_: XdpContext) -> u32 {
    let limit = &raw const LIMIT as *mut u32;
    unsafe { limit.write_volatile(9) }; //~ read-only-memory
    XDP_PASS
}

/// Nothing says that this ever ends.
#[xdp]
fn endless(_: XdpContext) -> u32 {
    while bpf_get_prandom_u32() != 7 {} //~ infinite-loop
    XDP_PASS
}

/// The entry is neither submitted nor discarded.
#[xdp]
fn kept_entry(_: XdpContext) -> u32 {
    let entry = EVENTS.reserve::<u64>(0); //~ reference-leak
    core::mem::forget(entry);
    XDP_PASS
}

/// bpf_skb_load_bytes is for programs that see a socket buffer.
#[xdp]
fn foreign_helper(ctx: XdpContext) -> u32 {
    let helper: extern "C" fn(*mut core::ffi::c_void) -> i64 =
        unsafe { core::mem::transmute(26usize) };
    helper(ctx.as_ptr()) as u32 //~ helper-not-for-this-type
}

/// Ends, but not before the verifier has lost patience.
#[xdp]
fn too_long(_: XdpContext) -> u32 {
    let mut sum = 0u32;
    for _ in 0..2_000_000 { //~ too-many-instructions
        sum ^= bpf_get_prandom_u32();
    }
    sum
}
