#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::macros::{btf_tracepoint, map};
use hachi_ebpf::maps::Array;
use hachi_ebpf::programs::BtfTracePointContext;
use hachi_ebpf::{Counted, KPtr, MapValue, counted, info, kernel_types};

kernel_types! {
    struct task_struct { tgid: i32, comm: [u8; 16] }

    fn sched_process_exec(p: *const task_struct);
}

counted! { task_struct: bpf_task_acquire, bpf_task_release; }

#[derive(MapValue)]
#[repr(C)]
struct Kept {
    task: KPtr<task_struct>,
}

/// The process that has become another program most recently.
#[map]
static LAST: Array<Kept> = Array::with_max_entries(1, 0);

#[btf_tracepoint(function = "sched_process_exec")]
fn previous(ctx: BtfTracePointContext) {
    let task = sched_process_exec::of(&ctx).p();
    let (Some(last), Some(owned)) = (LAST.get(0), task.acquire()) else {
        return;
    };
    if let Some(before) = last.task.swap(Some(owned)) {
        let (name, earlier) = (task.comm().read(), before.comm().read());
        info!(&ctx, "{} comes after {}", name, earlier);
    }
}

hachi_ebpf::license!("GPL");
