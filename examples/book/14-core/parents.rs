#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::macros::btf_tracepoint;
use hachi_ebpf::programs::BtfTracePointContext;
use hachi_ebpf::{core_read, info, kernel_types};

kernel_types! {
    struct task_struct {
        tgid: i32,
        comm: [u8; 16],
        real_parent: *const task_struct,
    }

    fn sched_process_exec(p: *const task_struct);
}

/// A process has become another program.
#[btf_tracepoint(function = "sched_process_exec")]
fn parents(ctx: BtfTracePointContext) -> Result<(), i64> {
    let task = sched_process_exec::of(&ctx).p();
    let name = task.comm().read();
    if name.starts_with(b"sleep\0") {
        let parent = core_read!(task, real_parent.comm)?;
        info!(&ctx, "{} was started by {}", name, parent);
    }
    Ok(())
}

hachi_ebpf::license!("GPL");
