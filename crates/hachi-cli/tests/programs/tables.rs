//! Maps whose keys and values are of many types. The program does nothing but use them.
#![no_std]
#![no_main]

use hachi_ebpf::Pod;
use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::{
    Array, BloomFilter, HashMap, LpmTrie, PerCpuArray, PerCpuHashMap, ProgramArray, Queue, Stack,
    lpm_trie::Key,
};
use hachi_ebpf::programs::XdpContext;

hachi_ebpf::license!("GPL");

#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Flow {
    source: [u8; 4],
    port: u16,
    protocol: u8,
    pad: u8,
}

#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Limit {
    rate: u64,
    burst: i32,
    name: [u8; 12],
}

#[map]
static BLOCKLIST: LpmTrie<[u8; 4], u8> = LpmTrie::with_max_entries(8, 0);
#[map]
static LIMITS: Array<Limit> = Array::with_max_entries(2, 0);
#[map]
static FLOWS: HashMap<Flow, u64> = HashMap::with_max_entries(64, 0);
#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(2, 0);
#[map]
static BY_PORT: PerCpuHashMap<u16, u32> = PerCpuHashMap::with_max_entries(4, 0);
#[map]
static JUMPS: ProgramArray = ProgramArray::with_max_entries(4, 0);
#[map]
static JOBS: Queue<u32> = Queue::with_max_entries(2, 0);
#[map]
static PLATES: Stack<u32> = Stack::with_max_entries(2, 0);
#[map]
static SEEN: BloomFilter<u32> = BloomFilter::with_max_entries(64, 0);

#[xdp]
fn tables(ctx: XdpContext) -> u32 {
    let flow = Flow {
        source: [10, 0, 0, 1],
        port: 80,
        protocol: 6,
        pad: 0,
    };
    let _ = BLOCKLIST.get(Key::new(32, [10, 0, 0, 1]));
    let _ = LIMITS.get(0);
    let _ = FLOWS.insert(flow, ctx.len() as u64, 0);
    let _ = COUNTERS.get(0);
    let _ = BY_PORT.get(80);
    let _ = JOBS.push(1, 0);
    let _ = PLATES.push(1, 0);
    let _ = SEEN.insert(1, 0);
    let _ = JUMPS.tail_call(&ctx, 0);
    xdp_action::XDP_PASS
}
