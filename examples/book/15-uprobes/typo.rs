#![no_std]
#![no_main]

use hachi_ebpf::info;
use hachi_ebpf::macros::uprobe;
use hachi_ebpf::programs::ProbeContext;

#[uprobe(path = "libc", function = "getenvv")]
fn asks(ctx: ProbeContext) {
    info!(&ctx, "somebody asks");
}

hachi_ebpf::license!("GPL");
