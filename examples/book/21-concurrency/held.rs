#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::helpers::bpf_ktime_get_ns;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::Array;
use hachi_ebpf::programs::XdpContext;
use hachi_ebpf::sync::Locked;

#[map]
static LAST: Array<Locked<u64>> = Array::with_max_entries(1, 0);

/// Calls a helper while the lock is held.
#[xdp]
fn limit(_ctx: XdpContext) -> u32 {
    if let Some(last) = LAST.get(0) {
        let mut last = last.lock();
        *last = bpf_ktime_get_ns();
    }
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
