//! Counts how long block devices take.

#![no_std]
#![no_main]

use aya_ebpf::{
    Global,
    helpers::bpf_ktime_get_ns,
    macros::{btf_tracepoint, map},
    maps::{HashMap, PerCpuArray},
    programs::BtfTracePointContext,
};
use aya_ports::vmlinux::request;
use tools_common::histogram::{SLOTS, slot};

/// Which argument of the tracepoint is the request: before 5.11 the queue came first.
#[unsafe(no_mangle)]
static REQUEST: Global<u8> = Global::new(0);

/// When each request was given to its device, by the request's address.
#[map]
static ISSUED: HashMap<u64, u64> = HashMap::with_max_entries(10240, 0);

/// Requests by microseconds.
#[map]
static HISTOGRAM: PerCpuArray<u64> = PerCpuArray::with_max_entries(SLOTS, 0);

#[btf_tracepoint(function = "block_rq_issue")]
pub fn issue(ctx: BtfTracePointContext) -> i32 {
    let request: *const request = if REQUEST.load() == 0 {
        ctx.arg(0)
    } else {
        ctx.arg(1)
    };
    // SAFETY: the helper has no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let _ = ISSUED.insert(request.addr() as u64, now, 0);
    0
}

#[btf_tracepoint(function = "block_rq_complete")]
pub fn complete(ctx: BtfTracePointContext) -> i32 {
    let request: *const request = ctx.arg(0);
    let request = request.addr() as u64;
    // SAFETY: the value is copied at once.
    if let Some(at) = unsafe { ISSUED.get(request).copied() } {
        // SAFETY: the helper has no arguments.
        let now = unsafe { bpf_ktime_get_ns() };
        if let Some(count) = HISTOGRAM.get_ptr_mut(slot((now - at) / 1000)) {
            // SAFETY: the element is this CPU's.
            unsafe { *count += 1 };
        }
        let _ = ISSUED.remove(request);
    }
    0
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
