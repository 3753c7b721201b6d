#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::helpers::bpf_get_current_comm;
use hachi_ebpf::macros::{uprobe, uretprobe};
use hachi_ebpf::programs::{ProbeContext, RetProbeContext};
use hachi_ebpf::{UserPtr, info};

/// Whether it is `sort` that calls.
fn is_watched() -> bool {
    bpf_get_current_comm().is_ok_and(|name| name.starts_with(b"sort\0"))
}

/// `getenv` looks for a variable by its name.
#[uprobe(path = "libc", function = "getenv")]
fn asks(ctx: ProbeContext) {
    let mut name = [0; 32];
    let address: u64 = ctx.arg(0).unwrap_or(0);
    if is_watched()
        && let Ok(name) = UserPtr::new(address).read_str(&mut name)
    {
        info!(&ctx, "sort asks for {}", name);
    }
}

/// It gives the address of the value, or 0.
#[uretprobe(path = "libc", function = "getenv")]
fn gets(ctx: RetProbeContext) {
    let mut value = [0; 32];
    if is_watched()
        && let Ok(value) = UserPtr::new(ctx.ret()).read_str(&mut value)
    {
        info!(&ctx, "sort gets {}", value);
    }
}

hachi_ebpf::license!("GPL");
