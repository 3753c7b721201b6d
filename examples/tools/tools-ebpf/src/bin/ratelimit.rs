//! Drops what an interface sends beyond a rate: a token bucket.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    Global, Pod,
    atomic::{AtomicU64, Ordering},
    bindings::{TC_ACT_OK, TC_ACT_SHOT},
    helpers::bpf_ktime_get_ns,
    macros::{classifier, map},
    maps::Array,
    programs::TcContext,
    sync::Locked,
};
use tools_common::ratelimit::{DROPPED, PASSED};

/// Bytes per second.
static RATE: Global<u64> = Global::new(125_000);
/// Bytes that may be sent at once after a pause.
static BURST: Global<u64> = Global::new(15_000);

/// Tokens are nanoseconds of sending time: no division is needed to fill the bucket.
#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Bucket {
    tokens: u64,
    filled_at: u64,
}

#[map]
static BUCKET: Array<Locked<Bucket>> = Array::with_max_entries(1, 0);

/// Packets that passed, and that were dropped.
#[map]
static STATS: Array<AtomicU64> = Array::with_max_entries(2, 0);

const SECOND: u64 = 1_000_000_000;

#[classifier]
fn ratelimit(ctx: TcContext) -> i32 {
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
    // Nothing may be called while the bucket is locked.
    let now = bpf_ktime_get_ns();
    let Some(bucket) = BUCKET.get(0) else {
        return true;
    };
    let mut bucket = bucket.lock();
    let passed = now.saturating_sub(bucket.filled_at);
    let tokens = bucket.tokens.saturating_add(passed).min(full);
    let enough = tokens >= price;
    bucket.tokens = if enough { tokens - price } else { tokens };
    bucket.filled_at = now;
    enough
}

hachi_ebpf::license!("GPL");
