#![no_std]
#![no_main]

use hachi_ebpf::bindings::TC_ACT_UNSPEC;
use hachi_ebpf::macros::classifier;
use hachi_ebpf::programs::TcContext;

/// Keeps a reference into the packet while the packet is changed.
#[classifier]
fn redirect(mut ctx: TcContext) -> i32 {
    let Some(port) = ctx.get::<[u8; 2]>(36) else {
        return TC_ACT_UNSPEC;
    };
    let _ = ctx.store(40, &[0u8, 0], 0);
    i32::from(port[0]) + TC_ACT_UNSPEC
}

hachi_ebpf::license!("GPL");
