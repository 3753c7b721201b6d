#![no_std]
#![no_main]

use hachi_ebpf::info;
use hachi_ebpf::macros::tracepoint;
use hachi_ebpf::programs::TracePointContext;

#[tracepoint(category = "syscalls", name = "sys_enter_opnat")]
fn opens(ctx: TracePointContext) {
    info!(&ctx, "somebody opens a file");
}

hachi_ebpf::license!("GPL");
