#![no_std]
#![no_main]

use hachi_ebpf::macros::{map, tracepoint};
use hachi_ebpf::maps::RingBuf;
use hachi_ebpf::programs::TracePointContext;

/// The text is a pointer, and user space cannot follow it.
struct Event {
    text: &'static str,
}

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);

#[tracepoint(category = "sched", name = "sched_process_exec")]
fn starts(_ctx: TracePointContext) {
    if let Some(mut entry) = EVENTS.reserve::<Event>(0) {
        entry.write(Event { text: "started" });
        entry.submit(0);
    }
}

hachi_ebpf::license!("GPL");
