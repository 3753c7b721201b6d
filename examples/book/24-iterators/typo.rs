#![no_std]
#![no_main]

use hachi_ebpf::macros::iter;
use hachi_ebpf::programs::IterContext;
use hachi_ebpf::seq_printf;

#[iter(target = "tasks")]
fn tasks(ctx: IterContext) -> i32 {
    seq_printf!(ctx, "a task\n");
    0
}

hachi_ebpf::license!("GPL");
