//! Counts where threads spend their time.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::BPF_F_USER_STACK,
    macros::{map, perf_event},
    maps::{HashMap, StackTrace},
    programs::{PerfEventContext, tracing::StackIdContext},
};
use aya_ports::{current_comm, current_pid};
use core::sync::atomic::{AtomicU64, Ordering};
use tools_common::profile::Place;

#[map]
static COUNTS: HashMap<Place, AtomicU64> = HashMap::with_max_entries(16384, 0);

#[map]
static STACKS: StackTrace = StackTrace::with_max_entries(16384, 0);

#[perf_event]
pub fn profile(ctx: PerfEventContext) -> u32 {
    // Process 0 is a CPU that has nothing to do.
    if current_pid() == 0 {
        return 0;
    }
    let stack = |flags: u64| ctx.get_stackid(&STACKS, flags).map_or(-1, |id| id as i32);
    let place = Place {
        pid: current_pid(),
        user: stack(BPF_F_USER_STACK.into()),
        kernel: stack(0),
        comm: current_comm(),
    };
    // SAFETY: nothing removes from the table.
    if let Some(count) = unsafe { COUNTS.get(place) } {
        count.fetch_add(1, Ordering::Relaxed);
    } else {
        let _ = COUNTS.insert(place, AtomicU64::new(1), 0);
    }
    0
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
