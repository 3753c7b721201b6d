//! Counts packets, and tells of ICMP in its log and its ring buffer when asked to.
#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::{HashMap, PerCpuArray, RingBuf};
use hachi_ebpf::programs::XdpContext;
use hachi_ebpf::{Global, Pod, info};

hachi_ebpf::license!("GPL");

/// Whether to tell.
static TALKATIVE: Global<u8> = Global::new(0);

/// Packets and their bytes.
#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Counter {
    packets: u64,
    bytes: u64,
}

#[map]
static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(1, 0);

/// The last length seen, by source.
#[map]
static LENGTHS: HashMap<[u8; 4], u32> = HashMap::with_max_entries(16, 0);

#[map]
static SEEN: RingBuf = RingBuf::with_byte_size(4096, 0);

#[xdp]
fn watcher(ctx: XdpContext) -> u32 {
    let bytes = ctx.len() as u64;
    COUNTERS.update(0, |counter| Counter {
        packets: counter.packets + 1,
        bytes: counter.bytes + bytes,
    });
    if let Some(source) = icmp_source(&ctx) {
        let _ = LENGTHS.insert(source, bytes as u32, 0);
        if TALKATIVE.load() != 0 {
            let _ = SEEN.output(&bytes, 0);
            info!(&ctx, "{} bytes of ICMP from {:i}", bytes, source);
        }
    }
    xdp_action::XDP_PASS
}

fn icmp_source(ctx: &XdpContext) -> Option<[u8; 4]> {
    let is_ipv4 = ctx.read::<[u8; 2]>(12)? == [0x08, 0x00];
    let is_icmp = ctx.read::<u8>(23)? == 1;
    if is_ipv4 && is_icmp { ctx.read(26) } else { None }
}
