//! Counts where threads spend their time.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    atomic::{AtomicU64, Ordering},
    bindings::BPF_F_USER_STACK,
    macros::{map, perf_event},
    maps::{HashMap, StackTrace},
    programs::PerfEventContext,
};
use tools_common::profile::Place;
use tools_ebpf::{current_comm, current_pid};

#[map]
static COUNTS: HashMap<Place, AtomicU64> = HashMap::with_max_entries(16384, 0);

#[map]
static STACKS: StackTrace = StackTrace::with_max_entries(16384, 0);

#[perf_event]
fn profile(ctx: PerfEventContext) -> u32 {
    // Process 0 is a CPU that has nothing to do.
    if current_pid() == 0 {
        return 0;
    }
    let stack = |flags| STACKS.get_stackid(&ctx, flags).map_or(-1, |id| id as i32);
    let place = Place {
        pid: current_pid(),
        user: stack(BPF_F_USER_STACK),
        kernel: stack(0),
        comm: current_comm(),
    };
    if let Some(count) = COUNTS.get_or_insert(place, AtomicU64::new(0)) {
        count.fetch_add(1, Ordering::Relaxed);
    }
    0
}

hachi_ebpf::license!("GPL");
