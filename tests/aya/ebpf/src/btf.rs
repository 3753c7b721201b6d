//! Maps whose capacity stands in their types.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::xdp_action,
    btf_maps::{
        Array, ArrayOfMaps, HashMap, HashOfMaps, LpmTrie, LruHashMap, PerCpuArray, PerfEventArray,
        ProgramArray, Queue, RingBuf, Stack,
    },
    macros::{btf_map, xdp},
    maps::lpm_trie::Key,
    programs::XdpContext,
};

#[btf_map]
static RESULTS: Array<u64, 4> = Array::new();
#[btf_map]
static SEEN: HashMap<u32, u64, 16> = HashMap::new();
#[btf_map]
static RECENT: LruHashMap<u32, u64, 16, 0> = LruHashMap::new();
#[btf_map]
static PER_CPU: PerCpuArray<u32, 1> = PerCpuArray::new();
#[btf_map]
static PREFIXES: LpmTrie<u32, u32, 8, 1> = LpmTrie::new();
#[btf_map]
static QUEUE: Queue<u32, 4> = Queue::new();
#[btf_map]
static STACK: Stack<u32, 4> = Stack::new();
#[btf_map]
static EVENTS: RingBuf<u64, 4096> = RingBuf::new();
#[btf_map]
static PERF: PerfEventArray = PerfEventArray::new();
#[btf_map]
static NEXT: ProgramArray<2> = ProgramArray::new();
#[btf_map]
static ARRAYS: ArrayOfMaps<Array<u64, 2>, 2> = ArrayOfMaps::new();
#[btf_map]
static TABLES: HashOfMaps<u32, HashMap<u32, u64, 4>, 2> = HashOfMaps::new();

#[xdp]
pub fn count(ctx: XdpContext) -> u32 {
    match try_count(&ctx) {
        Ok(()) => xdp_action::XDP_PASS,
        Err(_) => xdp_action::XDP_ABORTED,
    }
}

fn try_count(ctx: &XdpContext) -> Result<(), i32> {
    let before = unsafe { SEEN.get(&7) }.copied().unwrap_or(40);
    SEEN.insert(&7, before + 1, 0)?;
    RECENT.insert(1, before, 0)?;
    RESULTS.set(3, before, 0)?;
    if let Some(value) = PER_CPU.get_ptr_mut(0) {
        unsafe { *value += 1 };
    }
    if let Some(found) = PREFIXES.get(Key::new(32, u32::from_be_bytes([10, 1, 2, 3]).to_be())) {
        STACK.push(found, 0)?;
    }
    QUEUE.push(5, 0)?;
    EVENTS.output(before, 0)?;
    if let Some(mut entry) = EVENTS.reserve_untyped::<[u32; 4]>(0) {
        entry.write([1, 2, 3, 4]);
        entry.submit(0);
    }
    if let Some(mut bytes) = EVENTS.reserve_bytes(8, 0) {
        bytes[0] = 9;
        bytes.submit(0);
    }
    PERF.output(ctx, &before, 0);
    // What user space has put into the maps of maps.
    if let Some(value) = ARRAYS.get_value(1, &1) {
        RESULTS.set(0, value, 0)?;
    }
    if let Some(value) = unsafe { TABLES.get_value(&3, &4) } {
        RESULTS.set(1, value, 0)?;
    }
    unsafe { NEXT.tail_call(ctx, 1) };
    RESULTS.set(2, 2, 0)
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    unsafe { core::hint::unreachable_unchecked() }
}
