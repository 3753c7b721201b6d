//! Counts how long block devices take.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    Global,
    helpers::bpf_ktime_get_ns,
    macros::{btf_tracepoint, map},
    maps::{HashMap, PerCpuArray},
    programs::BtfTracePointContext,
};
use tools_common::histogram::{SLOTS, slot};

/// Which argument of the tracepoint is the request: before 5.11 the queue came first.
static REQUEST: Global<u8> = Global::new(0);

/// When each request was given to its device, by the request's address.
#[map]
static ISSUED: HashMap<u64, u64> = HashMap::with_max_entries(10240, 0);

/// Requests by microseconds.
#[map]
static HISTOGRAM: PerCpuArray<u64> = PerCpuArray::with_max_entries(SLOTS, 0);

#[btf_tracepoint(function = "block_rq_issue")]
fn issue(ctx: BtfTracePointContext) {
    // The verifier leaves out what does not happen, so the missing argument does no harm.
    let request: u64 = if REQUEST.load() == 0 {
        ctx.arg(0)
    } else {
        ctx.arg(1)
    };
    let _ = ISSUED.insert(request, bpf_ktime_get_ns(), 0);
}

#[btf_tracepoint(function = "block_rq_complete")]
fn complete(ctx: BtfTracePointContext) {
    let request: u64 = ctx.arg(0);
    if let Some(at) = ISSUED.get(request) {
        HISTOGRAM.update(slot((bpf_ktime_get_ns() - at) / 1000), |count| count + 1);
        let _ = ISSUED.remove(request);
    }
}

hachi_ebpf::license!("GPL");
