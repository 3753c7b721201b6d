//! The kinds of maps that programs share with user space, by an XDP program that test runs call.

#![no_std]
#![no_main]

use aya_ebpf::{
    Global,
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{
        Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, PerCpuHashMap, PerfEventArray, Queue,
        RingBuf, Stack, lpm_trie::Key,
    },
    programs::XdpContext,
};

/// A plain struct of which nothing is derived but `Copy`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Count {
    packets: u64,
    bytes: u64,
}

#[unsafe(no_mangle)]
static STEP: Global<u64> = Global::new(1);

#[map]
static COUNTS: HashMap<u32, Count> = HashMap::with_max_entries(16, 0);
#[map(name = "RECENT")]
static LRU: LruHashMap<[u8; 4], u32> = LruHashMap::with_max_entries(16, 0);
#[map]
static mut TOTAL: Array<u64> = Array::with_max_entries(2, 0);
#[map]
static PER_CPU: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
#[map]
static PER_CPU_HASH: PerCpuHashMap<u32, u64> = PerCpuHashMap::with_max_entries(4, 0);
#[map]
static PREFIXES: LpmTrie<u32, u32> = LpmTrie::with_max_entries(8, 1);
#[map]
static QUEUE: Queue<u32> = Queue::with_max_entries(4, 0);
#[map]
static STACK: Stack<u32> = Stack::with_max_entries(4, 0);
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);
#[map]
static PERF: PerfEventArray<Count> = PerfEventArray::new(0);

/// With three bytes behind its fields that nothing writes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Flow {
    address: u32,
    protocol: u8,
}

#[map]
static FLOWS: HashMap<Flow, Flow> = HashMap::with_max_entries(8, 0);
#[map]
static PADDED: RingBuf = RingBuf::with_byte_size(4096, 0);

/// The same key by two ways through the program.
#[xdp]
pub fn padded(ctx: XdpContext) -> u32 {
    let length = ctx.data_end() - ctx.data();
    let flow = Flow {
        address: 0x0a00_0001,
        protocol: length as u8,
    };
    if FLOWS.insert(&flow, &flow, 0).is_err() {
        return xdp_action::XDP_ABORTED;
    }
    if unsafe { FLOWS.get(&Flow { protocol: 64, ..flow }) }.is_none() {
        return xdp_action::XDP_DROP;
    }
    let again = Flow {
        address: 0x0a00_0001,
        protocol: 64,
    };
    let _ = FLOWS.insert(again, again, 0);
    if PADDED.output::<Flow>(&again, 0).is_err() {
        return xdp_action::XDP_ABORTED;
    }
    if let Some(mut entry) = PADDED.reserve::<Flow>(0) {
        entry.write(flow);
        entry.submit(0);
    }
    xdp_action::XDP_PASS
}

#[xdp]
pub fn count(ctx: XdpContext) -> u32 {
    match try_count(&ctx) {
        Ok(action) => action,
        Err(_) => xdp_action::XDP_ABORTED,
    }
}

fn try_count(ctx: &XdpContext) -> Result<u32, i32> {
    let bytes = (ctx.data_end() - ctx.data()) as u64;
    let step = STEP.load();

    // In place by reference, by pointer, and as a whole.
    match unsafe { COUNTS.get(&1) } {
        Some(before) => {
            let next = Count {
                packets: before.packets + step,
                bytes: before.bytes + bytes,
            };
            COUNTS.insert(&1, &next, 0)?;
        }
        None => COUNTS.insert(
            1,
            Count {
                packets: step,
                bytes,
            },
            0,
        )?,
    }
    if let Some(total) = TOTAL.get_ptr_mut(0) {
        unsafe { *total += bytes };
    }
    TOTAL.set(1, step, 0)?;
    let seen = TOTAL.get(0).copied().unwrap_or(0);
    LRU.insert([10, 0, 0, 1], seen as u32, 0)?;
    if let Some(value) = PER_CPU.get_ptr_mut(0) {
        unsafe { *value += 1 };
    }
    PER_CPU_HASH.insert(7, seen, 0)?;

    // What user space has put in.
    let key = Key::new(32, u32::from_be_bytes([10, 1, 2, 3]).to_be());
    if let Some(found) = PREFIXES.get(&key) {
        STACK.push(found, 0)?;
    }
    if let Some(next) = QUEUE.pop()? {
        STACK.push(next, 0)?;
    }

    let event = Count {
        packets: step,
        bytes,
    };
    if let Some(mut entry) = EVENTS.reserve::<Count>(0) {
        entry.write(event);
        entry.submit(0);
    }
    PERF.output(ctx, &event, 0);
    Ok(xdp_action::XDP_PASS)
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    unsafe { core::hint::unreachable_unchecked() }
}
