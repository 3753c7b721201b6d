//! Drops what an interface sends beyond a rate: a token bucket.

#![no_std]
#![no_main]

use aya_ebpf::{
    Global,
    bindings::{TC_ACT_OK, TC_ACT_SHOT, bpf_spin_lock},
    btf_maps::Array,
    helpers::{bpf_ktime_get_ns, bpf_spin_lock, bpf_spin_unlock},
    macros::{btf_map, classifier},
    programs::TcContext,
};
use aya_ports as _;
use core::sync::atomic::{AtomicU64, Ordering};
use tools_common::ratelimit::{DROPPED, PASSED};

/// Bytes per second.
#[unsafe(no_mangle)]
static RATE: Global<u64> = Global::new(125_000);
/// Bytes that may be sent at once after a pause.
#[unsafe(no_mangle)]
static BURST: Global<u64> = Global::new(15_000);

/// Tokens are nanoseconds of sending time: no division is needed to fill the bucket.
#[repr(C)]
pub struct Bucket {
    lock: bpf_spin_lock,
    tokens: u64,
    filled_at: u64,
}

#[btf_map]
static BUCKET: Array<Bucket, 1> = Array::new();

/// Packets that passed, and that were dropped.
#[btf_map]
static STATS: Array<AtomicU64, 2> = Array::new();

const SECOND: u64 = 1_000_000_000;

#[classifier]
pub fn ratelimit(ctx: TcContext) -> i32 {
    let rate = RATE.load().max(1);
    let price = u64::from(ctx.len()) * SECOND / rate;
    let full = BURST.load() * SECOND / rate;
    let (verdict, count) = if pay(price, full) {
        (TC_ACT_OK, PASSED)
    } else {
        (TC_ACT_SHOT, DROPPED)
    };
    if let Some(count) = STATS.get(count) {
        count.fetch_add(1, Ordering::Relaxed);
    }
    verdict
}

/// Takes `price` out of the bucket, which holds `full` at most; whether there was enough in it.
fn pay(price: u64, full: u64) -> bool {
    // SAFETY: the helper has no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let Some(bucket) = BUCKET.get_ptr_mut(0) else {
        return true;
    };
    // SAFETY: the bucket is read and written only while it is locked; it is unlocked on the only
    // way out.
    unsafe {
        bpf_spin_lock(&raw mut (*bucket).lock);
        let passed = now.saturating_sub((*bucket).filled_at);
        let tokens = (*bucket).tokens.saturating_add(passed).min(full);
        let enough = tokens >= price;
        (*bucket).tokens = if enough { tokens - price } else { tokens };
        (*bucket).filled_at = now;
        bpf_spin_unlock(&raw mut (*bucket).lock);
        enough
    }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
