#![no_std]
#![no_main]

use hachi_ebpf::info;
use hachi_ebpf::macros::fentry;
use hachi_ebpf::programs::FEntryContext;

#[fentry(function = "vfs_fsinc")]
fn by_call(ctx: FEntryContext) {
    info!(&ctx, "a file is written");
}

hachi_ebpf::license!("GPL");
