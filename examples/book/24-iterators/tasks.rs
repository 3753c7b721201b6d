#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::macros::iter;
use hachi_ebpf::programs::IterContext;
use hachi_ebpf::{kernel_types, seq_printf};

kernel_types! {
    struct task_struct { pid: i32, tgid: i32, comm: [u8; 16], real_parent: *const task_struct }
}

/// The kernel calls it for each thread, and once more at the end, with no thread.
#[iter(target = "task")]
fn tasks(ctx: IterContext) -> i32 {
    let Some(task) = ctx.arg::<Option<task_struct>>(1) else {
        return 0;
    };
    if task.pid() == task.tgid() {
        let parent = task.real_parent().map_or(0, |parent| parent.tgid());
        let name = task.comm().read();
        seq_printf!(ctx, "%d %d %s\n", task.tgid(), parent, name.as_ptr());
    }
    0
}

hachi_ebpf::license!("GPL");
