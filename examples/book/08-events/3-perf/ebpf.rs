//! The eBPF side: reports each program that is started, by one buffer for each CPU.

#![cfg_attr(not(test), no_std, no_main)]
#![forbid(unsafe_code)]

use hachi_ebpf::EbpfContext;
use hachi_ebpf::macros::{map, tracepoint};
use hachi_ebpf::maps::PerfEventArray;
use hachi_ebpf::programs::TracePointContext;

use starts_common::Start;

hachi_ebpf::license!("GPL");
hachi_ebpf::host_main!();

#[map]
static STARTS: PerfEventArray<Start> = PerfEventArray::new(0);

#[tracepoint(category = "sched", name = "sched_process_exec")]
fn starts(ctx: TracePointContext) {
    let start = Start {
        process: ctx.tgid(),
        user: ctx.uid(),
        name: ctx.command().unwrap_or_default(),
    };
    // The kernel counts what finds no room, and tells the reader.
    let _ = STARTS.output(&ctx, &start, 0);
}
