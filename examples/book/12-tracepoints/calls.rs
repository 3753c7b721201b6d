#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::atomic::{AtomicU64, Ordering};
use hachi_ebpf::helpers::bpf_get_current_comm;
use hachi_ebpf::macros::{map, tracepoint};
use hachi_ebpf::maps::HashMap;
use hachi_ebpf::programs::TracePointContext;

/// System calls by the name of the program that makes them.
#[map]
static CALLS: HashMap<[u8; 16], AtomicU64> = HashMap::with_max_entries(1024, 0);

#[tracepoint(category = "raw_syscalls", name = "sys_enter")]
fn calls(_ctx: TracePointContext) {
    let Ok(name) = bpf_get_current_comm() else {
        return;
    };
    if let Some(count) = CALLS.get_or_insert(name, AtomicU64::new(0)) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

hachi_ebpf::license!("GPL");
