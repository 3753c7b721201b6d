#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::Pod;
use hachi_ebpf::atomic::{AtomicU64, Ordering};
use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::helpers::bpf_ktime_get_ns;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::{Array, PerCpuArray};
use hachi_ebpf::programs::XdpContext;
use hachi_ebpf::sync::Locked;

/// How many packets may pass at once, and after how many nanoseconds there is room for one more.
const SIZE: u64 = 4;
const INTERVAL: u64 = 10_000_000_000;

/// One for each CPU: nobody else writes to it.
#[map]
static SEEN: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// One number for all CPUs, that grows in one step.
#[map]
static DROPPED: Array<AtomicU64> = Array::with_max_entries(1, 0);

/// Two numbers that belong together.
#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Bucket {
    /// When it was full, or as full as it has become since.
    filled_at: u64,
    tokens: u64,
}

#[map]
static BUCKET: Array<Locked<Bucket>> = Array::with_max_entries(1, 0);

#[xdp]
fn limit(_ctx: XdpContext) -> u32 {
    SEEN.update(0, |packets| packets + 1);
    if take(bpf_ktime_get_ns()) {
        return xdp_action::XDP_PASS;
    }
    if let Some(dropped) = DROPPED.get(0) {
        dropped.fetch_add(1, Ordering::Relaxed);
    }
    xdp_action::XDP_DROP
}

/// Takes a token, if there is one. No helper is called while the bucket is locked.
fn take(now: u64) -> bool {
    let Some(bucket) = BUCKET.get(0) else {
        return false;
    };
    let mut bucket = bucket.lock();
    let new = now.saturating_sub(bucket.filled_at) / INTERVAL;
    if new > 0 {
        bucket.filled_at = now;
        bucket.tokens = bucket.tokens.saturating_add(new).min(SIZE);
    }
    let enough = bucket.tokens > 0;
    bucket.tokens = bucket.tokens.saturating_sub(1);
    enough
}

hachi_ebpf::license!("GPL");
