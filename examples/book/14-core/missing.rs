#![no_std]
#![no_main]

use hachi_ebpf::macros::btf_tracepoint;
use hachi_ebpf::programs::BtfTracePointContext;
use hachi_ebpf::{info, kernel_types};

kernel_types! {
    struct task_struct { tgid: i32, colour: u32 }

    fn sched_process_exec(p: *const task_struct);
}

#[btf_tracepoint(function = "sched_process_exec")]
fn colours(ctx: BtfTracePointContext) {
    let task = sched_process_exec::of(&ctx).p();
    info!(&ctx, "process {} is {}", task.tgid(), task.colour());
}

hachi_ebpf::license!("GPL");
