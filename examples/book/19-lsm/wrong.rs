#![no_std]
#![no_main]

use hachi_ebpf::macros::lsm;
use hachi_ebpf::programs::LsmContext;

/// `EPERM` is 1, but a hook says no with -1.
#[lsm(hook = "file_open")]
fn guard(_ctx: LsmContext) -> i32 {
    1
}

hachi_ebpf::license!("GPL");
