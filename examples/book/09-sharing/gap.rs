#![no_std]
#![no_main]

use hachi_ebpf::Pod;
use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::HashMap;
use hachi_ebpf::programs::XdpContext;

/// Seven bytes of fields, in a struct of eight.
#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Sender {
    address: [u8; 4],
    port: u16,
    protocol: u8,
}

#[map]
static SENDERS: HashMap<Sender, u64> = HashMap::with_max_entries(1024, 0);

#[xdp]
fn flows(_ctx: XdpContext) -> u32 {
    let sender = Sender {
        address: [127, 0, 0, 1],
        port: 0,
        protocol: 1,
    };
    let _ = SENDERS.insert(sender, 1, 0);
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
