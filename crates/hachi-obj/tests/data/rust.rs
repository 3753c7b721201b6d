//! A Rust program with maps of several forms, globals of every kind, a subprogram and a log
//! message.
#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::maps::{Array, HashMap, RingBuf};
use hachi_ebpf::programs::XdpContext;
use hachi_ebpf::{
    Global, license,
    macros::{map, xdp},
};

license!("Dual MIT/GPL");

/// A map wrapped in a type of one's own.
#[repr(transparent)]
struct Table(HashMap<u32, [u16; 3]>);

#[map]
static TABLE: Table = Table(HashMap::with_max_entries(16, 0));

#[map]
static SEEN: Array<u64> = Array::with_max_entries(4, 0);

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);

static LIMIT: Global<u32> = Global::new(7);

#[inline(never)]
fn weigh(ctx: &XdpContext) -> u32 {
    let len = (ctx.data_end() - ctx.data()) as u32;
    if len > LIMIT.load() { len / 3 } else { len }
}

#[xdp]
fn filter(ctx: XdpContext) -> u32 {
    let key = weigh(&ctx);
    if let Some(seen) = SEEN.get_ptr_mut(key & 3) {
        unsafe { *seen += 1 };
    }
    let _ = EVENTS.output(&key, 0);
    hachi_ebpf::info!(&ctx, "weight {}", key);
    match TABLE.0.get(&key) {
        Some(_) => xdp_action::XDP_DROP,
        None => xdp_action::XDP_PASS,
    }
}

#[xdp]
fn measure(ctx: XdpContext) -> u32 {
    match weigh(&ctx) ^ weigh(&ctx).rotate_left(3) {
        0 => xdp_action::XDP_DROP,
        _ => xdp_action::XDP_PASS,
    }
}
