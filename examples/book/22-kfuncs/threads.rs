#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::macros::{btf_tracepoint, kfunc};
use hachi_ebpf::programs::BtfTracePointContext;
use hachi_ebpf::{info, kernel_types};

kernel_types! {
    struct task_struct { tgid: i32, comm: [u8; 16] }

    fn sched_process_exec(p: *const task_struct);
}

#[kfunc]
extern "C" {
    fn bpf_task_from_pid(pid: i32) -> *mut task_struct;
    fn bpf_task_release(p: *mut task_struct);
}

/// The thread that starts all other threads of the kernel.
const KTHREADD: i32 = 2;

/// Looks it up whenever a program is started.
#[btf_tracepoint(function = "sched_process_exec")]
fn look_up(ctx: BtfTracePointContext) {
    let task = sched_process_exec::of(&ctx).p();
    let Some(found) = bpf_task_from_pid(KTHREADD) else {
        return;
    };
    let (name, other) = (task.comm().read(), found.comm().read());
    info!(&ctx, "{} starts beside {}", name, other);
    bpf_task_release(found);
}

hachi_ebpf::license!("GPL");
