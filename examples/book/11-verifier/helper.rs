#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::info;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::StackTrace;
use hachi_ebpf::programs::XdpContext;

#[map]
static STACKS: StackTrace = StackTrace::with_max_entries(1024, 0);

/// Asks how the kernel got here. But XDP runs in the driver, before there is anything to see.
#[xdp]
fn look(ctx: XdpContext) -> u32 {
    if let Ok(stack) = STACKS.get_stackid(&ctx, 0) {
        info!(&ctx, "stack {}", stack);
    }
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
