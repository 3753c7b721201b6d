#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_ktime_get_ns};
use hachi_ebpf::macros::{map, tracepoint};
use hachi_ebpf::maps::HashMap;
use hachi_ebpf::programs::TracePointContext;

/// When each thread began to sleep.
#[map]
static ASLEEP: HashMap<u64, u64> = HashMap::with_max_entries(10240, 0);

/// Sleeps of `sleep` by their length: key 7 counts those of 128 to 255 milliseconds, key 8 those
/// of 256 to 511.
#[map]
static LENGTHS: HashMap<u32, u64> = HashMap::with_max_entries(64, 0);

#[tracepoint(category = "syscalls", name = "sys_enter_clock_nanosleep")]
fn begins(_ctx: TracePointContext) {
    let name = bpf_get_current_comm().unwrap_or_default();
    if name.starts_with(b"sleep\0") {
        // A full map loses this sleep, and nothing else.
        let _ = ASLEEP.insert(bpf_get_current_pid_tgid(), bpf_ktime_get_ns(), 0);
    }
}

#[tracepoint(category = "syscalls", name = "sys_exit_clock_nanosleep")]
fn ends(_ctx: TracePointContext) {
    let thread = bpf_get_current_pid_tgid();
    let Some(begin) = ASLEEP.get(thread) else {
        return;
    };
    let _ = ASLEEP.remove(thread);
    let milliseconds = (bpf_ktime_get_ns() - begin) / 1_000_000;
    let slot = (milliseconds | 1).ilog2();
    let count = LENGTHS.get(slot).unwrap_or(0);
    let _ = LENGTHS.insert(slot, count + 1, 0);
}

hachi_ebpf::license!("GPL");
