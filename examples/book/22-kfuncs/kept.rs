#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::macros::{btf_tracepoint, kfunc};
use hachi_ebpf::programs::BtfTracePointContext;
use hachi_ebpf::{info, kernel_types};

kernel_types! {
    struct task_struct { tgid: i32 }
}

#[kfunc]
extern "C" {
    fn bpf_task_from_pid(pid: i32) -> *mut task_struct;
}

/// Never gives the process back.
#[btf_tracepoint(function = "sched_process_exec")]
fn look_up(ctx: BtfTracePointContext) {
    if let Some(found) = bpf_task_from_pid(2) {
        info!(&ctx, "process {}", found.tgid());
    }
}

hachi_ebpf::license!("GPL");
