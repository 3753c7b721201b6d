#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::helpers::bpf_get_current_comm;
use hachi_ebpf::macros::tracepoint;
use hachi_ebpf::programs::TracePointContext;
use hachi_ebpf::{UserPtr, info};

/// Where the second argument of a system call is in its record.
const PATH: usize = 24;

#[tracepoint(category = "syscalls", name = "sys_enter_openat")]
fn opens(ctx: TracePointContext) {
    let name = bpf_get_current_comm().unwrap_or_default();
    if name.starts_with(b"cat\0") {
        let mut path = [0; 64];
        if let Ok(path) = UserPtr::new(ctx.field(PATH)).read_str(&mut path) {
            info!(&ctx, "cat opens {}", path);
        }
    }
}

hachi_ebpf::license!("GPL");
