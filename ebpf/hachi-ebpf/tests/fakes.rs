//! The kernel that tests run on: maps and helpers as the real ones, as far as a program can tell.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::thread;

use hachi_ebpf::bindings::{
    BPF_ANY, BPF_EXIST, BPF_NOEXIST, BPF_RB_AVAIL_DATA, BPF_RB_RING_SIZE, bpf_func_id, xdp_action,
};
use hachi_ebpf::helpers::*;
use hachi_ebpf::kernel::Argument;
use hachi_ebpf::macros::{cgroup_sock_addr, kprobe, raw_tracepoint, tracepoint, xdp};
use hachi_ebpf::maps::lpm_trie::Key;
use hachi_ebpf::maps::*;
use hachi_ebpf::objects::{ListItem, LockedList, LockedTree, Object, item};
use hachi_ebpf::programs::*;
use hachi_ebpf::sync::{CLOCK_MONOTONIC, Locked, ResilientLocked, bpf_timer};
use hachi_ebpf::test::{Input, Kernel, Task};
use hachi_ebpf::text::{self, Text};
use hachi_ebpf::{
    Dynptr, DynptrSlot, Global, GlobalMut, MapValue, Pod, Shared, bpf_for, bpf_loop, bpf_printk,
    bpf_snprintf, info,
};

const ENOENT: i64 = -2;
const E2BIG: i64 = -7;
const EAGAIN: i64 = -11;
const EFAULT: i64 = -14;
const EEXIST: i64 = -17;
const EINVAL: i64 = -22;
const ENOSPC: i64 = -28;
const ENOSYS: i64 = -38;

static HASH: HashMap<u32, u64> = HashMap::with_max_entries(2, 0);

#[test]
fn hash_tables_keep_to_flags_and_sizes() {
    assert_eq!(HASH.get(1), None);
    assert_eq!(HASH.insert(1, 10, BPF_EXIST), Err(ENOENT));
    HASH.insert(1, 10, BPF_NOEXIST).unwrap();
    assert_eq!(HASH.insert(1, 11, BPF_NOEXIST), Err(EEXIST));
    HASH.insert(1, 11, BPF_EXIST).unwrap();
    assert_eq!(HASH.insert(1, 11, 16), Err(EINVAL));
    HASH.insert(2, 20, BPF_ANY).unwrap();
    assert_eq!(HASH.insert(3, 30, BPF_ANY), Err(E2BIG));
    HASH.update(2, |value| value + 1).unwrap();
    assert_eq!((HASH.get(1), HASH.get(2)), (Some(11), Some(21)));
    let removed = HASH.get(1).unwrap();
    HASH.remove(1).unwrap();
    assert_eq!(HASH.remove(1), Err(ENOENT));
    assert_eq!(removed, 11, "a copy stays as it was");
    assert_eq!(HASH.get_or_insert(5, 50), Some(50));
    let mut keys = Vec::new();
    let visited = HASH.for_each(|key, value| {
        value.set(value.get() + 1);
        keys.push(key);
        ControlFlow::Continue(())
    });
    assert_eq!((visited, &keys[..]), (Ok(2), &[2, 5][..]));
    assert_eq!(HASH.get(5), Some(51));
    assert_eq!(HASH.for_each(|_, _| ControlFlow::Break(())), Ok(1));
}

static LRU: LruHashMap<u32, u32> = LruHashMap::with_max_entries(2, 0);

#[test]
fn lru_tables_forget_the_least_recently_used() {
    LRU.insert(1, 1, 0).unwrap();
    LRU.insert(2, 2, 0).unwrap();
    assert_eq!(LRU.get(1), Some(1));
    LRU.insert(3, 3, 0).unwrap();
    assert_eq!(
        (LRU.get(1), LRU.get(2), LRU.get(3)),
        (Some(1), None, Some(3))
    );
}

static ARRAY: Array<[u8; 3]> = Array::with_max_entries(2, 0);
static PER_CPU: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
static PER_CPU_HASH: PerCpuHashMap<u8, u64> = PerCpuHashMap::with_max_entries(1, 0);
static LOCKED: Array<Locked<u64>> = Array::with_max_entries(1, 0);

#[test]
fn arrays_are_there_from_the_beginning() {
    assert_eq!((ARRAY.get(1), ARRAY.get(2)), (Some([0; 3]), None));
    ARRAY.set(1, [1, 2, 3], 0).unwrap();
    assert_eq!(ARRAY.set(2, [1; 3], 0), Err(E2BIG));
    assert_eq!(ARRAY.set(1, [1; 3], BPF_NOEXIST), Err(EEXIST));
    assert_eq!(
        (ARRAY.get(0), ARRAY.get(1)),
        (Some([0; 3]), Some([1, 2, 3]))
    );
    PER_CPU.update(0, |count| count + 1).unwrap();
    assert_eq!(PER_CPU.get_on_cpu(0, 0), Some(1));
    assert_eq!(PER_CPU.get_on_cpu(0, 1), None);
    PER_CPU_HASH.insert(1, 5, 0).unwrap();
    assert_eq!(PER_CPU_HASH.insert(2, 5, 0), Err(E2BIG));
    assert_eq!(PER_CPU_HASH.get_on_cpu(1, 0), Some(5));
    *LOCKED.get(0).unwrap().lock() += 2;
    assert_eq!(*LOCKED.get(0).unwrap().lock(), 2);
}

static TRIE: LpmTrie<[u8; 4], u32> = LpmTrie::with_max_entries(3, 0);

#[test]
fn tries_find_the_longest_prefix() {
    TRIE.insert(Key::new(8, [10, 9, 9, 9]), 8, 0).unwrap();
    TRIE.insert(Key::new(20, [10, 1, 0x1f, 0]), 20, 0).unwrap();
    TRIE.insert(Key::new(0, [0; 4]), 0, 0).unwrap();
    assert_eq!(TRIE.insert(Key::new(9, [0; 4]), 9, 0), Err(ENOSPC));
    assert_eq!(TRIE.insert(Key::new(33, [0; 4]), 9, 0), Err(EINVAL));
    assert_eq!(
        TRIE.insert(Key::new(8, [10, 0, 0, 0]), 9, BPF_NOEXIST),
        Err(EEXIST)
    );
    let find = |len, address| TRIE.get(Key::new(len, address));
    assert_eq!(find(32, [10, 1, 0x10, 1]), Some(20));
    assert_eq!(find(32, [10, 1, 0x20, 1]), Some(8));
    assert_eq!(find(16, [10, 1, 0x10, 1]), Some(8));
    assert_eq!(find(32, [11, 1, 1, 1]), Some(0));
    TRIE.remove(Key::new(8, [10, 7, 7, 7])).unwrap();
    assert_eq!(TRIE.remove(Key::new(8, [10, 7, 7, 7])), Err(ENOENT));
    assert_eq!(find(32, [10, 1, 0x20, 1]), Some(0));
}

static QUEUE: Queue<u32> = Queue::with_max_entries(2, 0);
static STACK: Stack<u32> = Stack::with_max_entries(2, 0);
static BLOOM: BloomFilter<u32> = BloomFilter::with_max_entries(8, 0);

#[test]
fn queues_stacks_and_filters() {
    for value in [1, 2] {
        QUEUE.push(value, 0).unwrap();
        STACK.push(value, 0).unwrap();
    }
    assert_eq!(QUEUE.push(3, 0), Err(E2BIG));
    assert_eq!(QUEUE.push(3, BPF_NOEXIST), Err(EINVAL));
    QUEUE.push(3, BPF_EXIST).unwrap();
    STACK.push(3, BPF_EXIST).unwrap();
    assert_eq!(
        (QUEUE.peek(), QUEUE.pop(), QUEUE.pop(), QUEUE.pop()),
        (Some(2), Some(2), Some(3), None)
    );
    assert_eq!(
        (STACK.peek(), STACK.pop(), STACK.pop(), STACK.pop()),
        (Some(3), Some(3), Some(2), None)
    );
    BLOOM.insert(7, 0).unwrap();
    assert_eq!(
        (BLOOM.contains(7), BLOOM.contains(8)),
        (Ok(()), Err(ENOENT))
    );
}

static RING: RingBuf = RingBuf::with_byte_size(4096, 0);

#[test]
fn ring_buffers_keep_the_order_and_fill_up() {
    let kernel = Kernel::new();
    let first = RING.reserve::<u32>(0).unwrap();
    RING.output(&2u32, 0).unwrap();
    drop(RING.reserve::<u32>(0));
    // The first is not finished.
    assert_eq!(kernel.records::<u32>(&RING), []);
    let mut first = first;
    first.write(1);
    first.submit(0);
    assert_eq!(kernel.records::<u32>(&RING), [1, 2]);
    assert_eq!(RING.query(BPF_RB_RING_SIZE), 4096);
    assert_eq!(RING.query(BPF_RB_AVAIL_DATA), 0);
    let sent = (0..)
        .take_while(|i: &u64| RING.output(i, 0).is_ok())
        .count();
    assert_eq!((sent, RING.output(&1u64, 0)), (255, Err(EAGAIN)));
    assert_eq!(kernel.record_bytes(&RING).len(), 255);
    let result = RING.reserve_with(6, |record| {
        record.write(0, &1u16)?;
        record.write_bytes(2, b"four")?;
        assert_eq!(record.write(5, &1u16), Err(E2BIG));
        record.read::<[u8; 2]>(4)
    });
    assert_eq!(result, Ok(*b"ur"));
    assert_eq!(kernel.record_bytes(&RING), [b"\x01\x00four"]);
}

static PERF: PerfEventArray<u16> = PerfEventArray::new(0);
static COMMANDS: UserRingBuf = UserRingBuf::with_max_entries(4096, 0);
static DEVICES: DevMap = DevMap::with_max_entries(4, 0);
static OUTER: HashOfMaps<u32, HashMap<u32, u64>> =
    HashOfMaps::with_max_entries(4, 0, HashMap::with_max_entries(2, 0));
static STORAGE: TaskStorage<u64> = TaskStorage::new(0);

#[test]
fn maps_that_user_space_fills_or_reads() {
    let kernel = Kernel::new();
    let sent = Input::new([0; 20]).run(|ctx: XdpContext| PERF.output(&ctx, &7, 0));
    assert_eq!((sent, kernel.records::<u16>(&PERF)), (Ok(()), vec![7]));
    kernel.send(&COMMANDS, &40u64);
    kernel.send(&COMMANDS, &2u64);
    let mut sum = 0;
    let drained = COMMANDS.drain(0, |record| {
        sum += record.read::<u64>(0).unwrap();
        ControlFlow::Continue(())
    });
    assert_eq!((drained, sum), (Ok(2), 42));
    assert_eq!(DEVICES.redirect(1, 1), Err(1));
    // SAFETY: all of it is numbers.
    let device = unsafe { std::mem::zeroed() };
    kernel.insert(&DEVICES, 1, device).unwrap();
    assert_eq!(DEVICES.redirect(1, 1), Ok(xdp_action::XDP_REDIRECT));
    assert!(OUTER.get(5).is_none());
    kernel.insert_map(&OUTER, 5, &HASH).unwrap();
    HASH.insert(1, 2, 0).unwrap();
    assert_eq!(OUTER.get_value(5, 1), Some(2));
    let task = bpf_get_current_task() as *mut u8;
    assert_eq!(STORAGE.get(task), None);
    assert_eq!(STORAGE.get_or_insert(task, 3), Some(3));
    STORAGE.delete(task).unwrap();
    assert_eq!(STORAGE.delete(task), Err(ENOENT));
}

static SETTING: Global<u32> = Global::new(1);
static VARIABLE: GlobalMut<u32> = GlobalMut::new(1);

#[test]
fn variables_are_each_tests_own() {
    let kernel = Kernel::new();
    kernel.set_global(&SETTING, 2);
    VARIABLE.store(3);
    assert_eq!((SETTING.load(), VARIABLE.load()), (2, 3));
    let others = thread::spawn(|| (SETTING.load(), VARIABLE.load(), HASH.get(1).is_some()));
    HASH.insert(1, 1, 0).unwrap();
    assert_eq!(others.join().unwrap(), (1, 1, false));
    drop(kernel);
    assert_eq!((SETTING.load(), VARIABLE.load(), HASH.get(1)), (1, 1, None));
}

#[test]
fn time_chance_and_tasks() {
    let kernel = Kernel::new();
    let before = bpf_ktime_get_ns();
    assert!(before > 0 && bpf_ktime_get_ns() >= before);
    kernel.set_time(5);
    kernel.advance(2);
    assert_eq!((bpf_ktime_get_ns(), bpf_ktime_get_boot_ns()), (7, 7));
    kernel.set_random([1, 2]);
    let random = [0; 4].map(|_| bpf_get_prandom_u32());
    assert_eq!(random[..2], [1, 2]);
    assert_ne!(random[2], random[3]);
    assert_eq!(
        (bpf_get_current_pid_tgid() >> 32) as u32,
        std::process::id()
    );
    kernel.set_task(Task {
        pid: 3,
        tgid: 2,
        uid: 1000,
        gid: 100,
        comm: "a name longer than fifteen".into(),
    });
    assert_eq!(bpf_get_current_pid_tgid(), 2 << 32 | 3);
    assert_eq!(bpf_get_current_uid_gid(), 100 << 32 | 1000);
    assert_eq!(bpf_get_current_comm(), Ok(*b"a name longer t\0"));
    assert_eq!(bpf_get_smp_processor_id(), 0);
}

#[test]
fn memory_that_is_there_and_that_is_not() {
    let value = 0x1234_5678_u32;
    // SAFETY: the kernel's fake checks the addresses.
    unsafe {
        assert_eq!(bpf_probe_read_kernel(&raw const value), Ok(value));
        assert_eq!(
            bpf_probe_read_user(std::ptr::dangling::<u32>()),
            Err(EFAULT)
        );
        let mut name = [0xff; 5];
        assert_eq!(
            bpf_probe_read_kernel_str_bytes(c"four".as_ptr().cast(), &mut name),
            Ok(&b"four"[..])
        );
        assert_eq!(
            bpf_probe_read_kernel_str_bytes(c"longer".as_ptr().cast(), &mut name),
            Ok(&b"long"[..])
        );
    }
}

#[test]
fn text() {
    let kernel = Kernel::new();
    bpf_printk!(
        "%d %05x%% %s|%3u",
        -1i32,
        0xab,
        c"text".as_ptr() as usize,
        7
    );
    bpf_printk!("%llx", u64::MAX);
    assert_eq!(kernel.printed(), ["-1 000ab% text|  7", "ffffffffffffffff"]);
    let mut buffer = [1; 6];
    assert_eq!(bpf_snprintf!(&mut buffer, "cpu%u", 1234), Ok(8));
    assert_eq!(&buffer, b"cpu12\0");
    assert_eq!(bpf_strtol(b" -12 rest", 10), Ok((-12, 4)));
    assert_eq!(bpf_strtoul(b"0x1fg", 0), Ok((0x1f, 4)));
    assert_eq!(bpf_strtoul(b"-1", 0), Err(EINVAL));
    assert_eq!(bpf_strtol(b"99999999999999999999", 0), Err(-34));
    assert_eq!(bpf_strncmp(b"abc\0", c"abc"), 0);
    assert!(bpf_strncmp(b"abb", c"abc") < 0);
    info!("{} of {:i}", 3u8, [192, 0, 2, 7]);
    assert_eq!(kernel.logs(), ["3 of 192.0.2.7"]);
    assert_eq!(kernel.logs(), [""; 0]);
}

#[test]
fn loops() {
    let mut sum = 0;
    let calls = bpf_loop(10, |i| {
        sum += i;
        if i == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!((calls, sum), (Ok(4), 6));
    assert_eq!(bpf_loop(1 << 24, |_| ControlFlow::Break(())), Err(E2BIG));
    bpf_for!(i in 0..4 => { sum += i as u32; });
    assert_eq!(sum, 12);
}

#[derive(MapValue)]
#[repr(C)]
struct Flow {
    expired: Shared<u64>,
    timer: bpf_timer,
}

static FLOWS: HashMap<u32, Flow> = HashMap::with_max_entries(4, 0);

#[test]
fn timers_expire_when_time_passes() {
    let kernel = Kernel::new();
    kernel.set_time(100);
    let flow = || Flow {
        expired: Shared::new(0),
        timer: bpf_timer::new(),
    };
    for (key, nanoseconds) in [(1, 50), (2, 20)] {
        let entry = FLOWS.get_or_insert(key, flow()).unwrap();
        assert_eq!(entry.timer.start(1, 0), Err(EINVAL));
        entry.timer.init(&FLOWS, CLOCK_MONOTONIC).unwrap();
        assert_eq!(entry.timer.init(&FLOWS, CLOCK_MONOTONIC), Err(-16));
        entry
            .timer
            .set_callback(&FLOWS, |key, flow| {
                flow.expired.set(bpf_ktime_get_ns());
                QUEUE.push(key + bpf_ktime_get_ns() as u32, 0).unwrap();
            })
            .unwrap();
        // The timer lies in the values of another map.
        assert_eq!(entry.timer.set_callback(&HASH, |_, _| {}), Err(EINVAL));
        entry.timer.start(nanoseconds, 0).unwrap();
    }
    kernel.advance(19);
    assert_eq!(QUEUE.pop(), None);
    kernel.advance(40);
    assert_eq!(
        (QUEUE.pop(), QUEUE.pop(), QUEUE.pop()),
        (Some(122), Some(151), None)
    );
    assert_eq!(bpf_ktime_get_ns(), 159);
    assert_eq!(FLOWS.get(1).unwrap().expired.get(), 150);
    assert_eq!(FLOWS.get(1).unwrap().timer.cancel(), Ok(false));
}

#[test]
fn helpers_without_a_fake_fail_and_can_be_given_one() {
    let kernel = Kernel::new();
    assert_eq!(bpf_get_current_cgroup_id(), 0);
    assert_eq!(bpf_send_signal(9), ENOSYS);
    // SAFETY: both give numbers.
    unsafe {
        kernel.replace_helper(bpf_func_id::BPF_FUNC_get_current_cgroup_id, |_| 77);
        kernel.replace_helper(bpf_func_id::BPF_FUNC_send_signal, |[signal, ..]| signal * 2);
    }
    assert_eq!((bpf_get_current_cgroup_id(), bpf_send_signal(9)), (77, 18));
}

static MEMORY: Arena = Arena::with_pages(2, 0);

#[test]
fn arenas() {
    let kernel = Kernel::new();
    let words = MEMORY.alloc_pages(1).unwrap().cast::<u64>();
    MEMORY.write(words.add(511), 7).unwrap();
    assert_eq!(
        (
            MEMORY.read(words),
            MEMORY.cell(words.add(511)).map(Shared::get)
        ),
        (Some(0), Some(7))
    );
    assert_eq!(MEMORY.read(words.add(512)), None);
    assert_eq!(MEMORY.read(ArenaPtr::<u64>::null()), None);
    let odd = ArenaPtr::<u64>::from_address(words.address() + 1);
    assert_eq!((MEMORY.read(odd), MEMORY.write(odd, 1)), (None, None));
    assert!(MEMORY.cell(odd).is_none() && MEMORY.read(odd.cast::<u8>()).is_some());
    assert!(MEMORY.alloc_pages(2).is_none());
    drop(kernel);
    assert_eq!(MEMORY.read(words), None);
}

#[xdp]
fn packets(mut ctx: XdpContext) -> u32 {
    assert_eq!((ctx.len(), ctx.total_len()), (60, 60));
    assert_eq!((ctx.read::<u8>(59), ctx.read::<u8>(60)), (Some(59), None));
    ctx.write(0, 0xffu8).unwrap();
    ctx.adjust_head(-2).unwrap();
    assert_eq!(ctx.write(0, [8u8, 9]), Some(()));
    ctx.adjust_tail(-10).unwrap();
    assert_eq!(ctx.adjust_tail(-40), Err(EINVAL));
    assert_eq!(ctx.adjust_head(-255), Err(EINVAL));
    ctx.adjust_meta(-4).unwrap();
    ctx.write_metadata(0, 5u32).unwrap();
    let mut bytes = [0; 4];
    ctx.load_bytes(0, &mut bytes).unwrap();
    assert_eq!(bytes, [8, 9, 0xff, 1]);
    assert_eq!(ctx.load_bytes(50, &mut bytes), Err(EINVAL));
    ctx.ingress_ifindex()
}

#[test]
fn packets_of_drivers() {
    let mut input = Input::<XdpContext>::new((0..60).collect::<Vec<u8>>());
    input.fields.ingress_ifindex = 3;
    assert_eq!(input.run(packets), 3);
    assert_eq!(
        (input.bytes.len(), &input.bytes[..4]),
        (52, &[8, 9, 0xff, 1][..])
    );
}

#[test]
fn packets_of_the_network_stack() {
    let mut input = Input::<TcContext>::new([7; 60]);
    input.fields.mark = 4;
    input.run(|mut ctx: TcContext| {
        assert_eq!((ctx.len(), ctx.mark()), (60, 4));
        assert_eq!(
            (ctx.load::<u8>(59), ctx.load::<u8>(60)),
            (Ok(7), Err(EFAULT))
        );
        ctx.store(58, &0x0102u16, 0).unwrap();
        ctx.change_tail(62, 0).unwrap();
        ctx.change_head(2, 0).unwrap();
        assert_eq!(ctx.pull_data(100), Err(EINVAL));
        let mut bytes = [0; 100];
        assert_eq!(ctx.load_bytes(60, &mut bytes), Ok(4));
        assert_eq!(bytes[..4], [2, 1, 0, 0]);
    });
    assert_eq!((input.bytes.len(), &input.bytes[..3]), (64, &[0, 0, 7][..]));
}

#[cgroup_sock_addr(connect4)]
fn connect(mut ctx: SockAddrContext) -> i32 {
    ctx.set_user_port(ctx.user_port() + 1);
    1
}

#[kprobe(function = "f")]
fn probe(ctx: ProbeContext) -> u32 {
    ctx.arg::<u32>(1).unwrap_or(0)
}

#[raw_tracepoint(tracepoint = "sys_enter")]
fn raw(ctx: RawTracePointContext) -> u32 {
    ctx.arg(1)
}

#[tracepoint(category = "c", name = "n")]
fn record(ctx: TracePointContext) -> u32 {
    // SAFETY: needs none.
    unsafe { ctx.read_at::<u32>(8) }.unwrap_or(0)
}

#[test]
fn other_contexts() {
    let mut input = Input::<SockAddrContext>::default();
    input.fields.user_port = 80;
    assert_eq!((input.run(connect), input.fields.user_port), (1, 81));
    let mut input = Input::<ProbeContext>::default();
    input.fields.set_argument(1, 9);
    assert_eq!(input.run(probe), 9);
    let mut input = Input::<RawTracePointContext>::default();
    input.fields[1] = 6;
    assert_eq!(input.run(raw), 6);
    let mut input = Input::<RawTracePointContext>::new([1, 2, 3, 4]);
    input.run(|mut ctx: RawTracePointContext| ctx.set_buffer([9u8, 8]));
    assert_eq!(input.bytes, [9, 8, 3, 4]);
    let mut option = Input::<SockoptContext>::new([5, 6]);
    assert_eq!(
        option.run(|ctx: SockoptContext| (ctx.optlen(), ctx.read::<u8>(1), ctx.read::<u8>(2))),
        (2, Some(6), None)
    );
    assert_eq!(Input::new([1; 12]).run(record), 0x0101_0101);
    let length = Input::new(*b"message").run(|ctx: SkMsgContext| (ctx.size(), ctx.read::<u8>(6)));
    assert_eq!(length, (7, Some(b'e')));
    Input::new([0; 40]).run(|mut ctx: FlowDissectorContext| ctx.flow_keys().nhoff = 14);
}

/// There is no verifier here that would refuse them.
#[test]
fn operations_that_a_verifier_refuses_panic() {
    let refused = |f: fn()| std::panic::catch_unwind(f).unwrap_err();
    refused(|| {
        let _first = LOCKED.get(0).unwrap().lock();
        let _second = LOCKED.get(0).unwrap().lock();
    });
    refused(|| {
        Input::<RawTracePointContext>::default().run(|ctx: RawTracePointContext| {
            ctx.arg::<u64>(12);
        });
    });
    refused(|| {
        let mut input = Input::<RawTracePointContext>::default();
        input.fields[0] = 16;
        input.run(|ctx: RawTracePointContext| {
            ctx.buffer::<u32>();
        });
    });
    refused(|| {
        Input::<TracePointContext>::new([0; 8]).run(|ctx: TracePointContext| {
            ctx.field::<u64>(4096);
        });
    });
    // The guards of the first one are gone.
    assert_eq!(*LOCKED.get(0).unwrap().lock(), 0);
}

static PER_CGROUP: CgroupStorage<u64> = CgroupStorage::new(0);
static SHARED_BY_TYPES: PerCpuCgroupStorage<u64, u64> = PerCpuCgroupStorage::new(0);

#[test]
fn the_cgroup_has_one_value_in_each_storage_map() {
    assert_eq!((PER_CGROUP.get(), SHARED_BY_TYPES.get()), (0, 0));
    PER_CGROUP.update(|count| count + 3);
    SHARED_BY_TYPES.cell().set(4);
    assert_eq!((PER_CGROUP.get(), SHARED_BY_TYPES.get()), (3, 4));
}

#[test]
fn every_context_tells_the_thread_that_runs() {
    let kernel = Kernel::new();
    kernel.set_task(Task {
        pid: 8,
        tgid: 7,
        uid: 1000,
        gid: 100,
        comm: "a long name of a thread".into(),
    });
    let mut input = Input::new([0; 64]);
    let name = input.run(|ctx: XdpContext| {
        assert_eq!(
            (ctx.pid(), ctx.tgid(), ctx.uid(), ctx.gid()),
            (8, 7, 1000, 100)
        );
        ctx.command()
    });
    assert_eq!(name, Ok(*b"a long name of \0"));
}

#[test]
fn errors_of_functions_come_as_results() {
    let of = <Result<u32, i64> as Argument>::from_argument;
    assert_eq!(of((-2_i64) as u64), Err(-2));
    // An `int` leaves the upper half as it was.
    assert_eq!(of(0x1234_5678_ffff_fffe), Err(-2));
    assert_eq!(of(7), Ok(7));
    assert_eq!(of((-4096_i64) as u64), Ok(-4096_i32 as u32));
    let wide = <Result<u64, i64> as Argument>::from_argument;
    assert_eq!(wide(0x1234_5678_ffff_fffe), Ok(0x1234_5678_ffff_fffe));
    let pointer = <Result<*const u8, i64> as Argument>::from_argument;
    assert_eq!(pointer((-13_i64) as u64), Err(-13));
    assert!(pointer(0).unwrap().is_null());
    let truth = <Result<bool, i64> as Argument>::from_argument;
    assert_eq!(truth(0xffff_ffff_ffff_ff01), Ok(true));
}

static RESILIENT: Array<ResilientLocked<u64>> = Array::with_max_entries(1, 0);

#[test]
fn a_resilient_lock_that_is_held_is_not_waited_for() {
    let mut held = RESILIENT.get(0).unwrap().lock().unwrap();
    *held += 1;
    assert_eq!(RESILIENT.get(0).unwrap().lock().err(), Some(-35));
    drop(held);
    assert_eq!(*RESILIENT.get(0).unwrap().lock().unwrap(), 1);
}

static VALUE: Array<[u8; 16]> = Array::with_max_entries(1, 0);

#[test]
fn dynptrs_check_every_access() {
    let mut input = Input::<XdpContext>::new((0..60).collect::<Vec<u8>>());
    input.run(|mut ctx| {
        let (mut slot, mut other) = (DynptrSlot::new(), DynptrSlot::new());
        let packet = ctx.dynptr(&mut slot).unwrap();
        assert_eq!((packet.size(), packet.is_read_only()), (60, false));
        assert_eq!(packet.read::<[u8; 2]>(58), Ok([58, 59]));
        assert_eq!(packet.read::<[u8; 2]>(59), Err(E2BIG));
        assert_eq!(packet.read::<u8>(u32::MAX), Err(E2BIG));
        let mut buffer = [0; 4];
        assert_eq!(packet.slice(8, &mut buffer), Some(&[8, 9, 10, 11]));
        assert_eq!(packet.slice(57, &mut buffer), None);
        packet
            .modify(8, |bytes: &mut [u8; 2]| bytes.swap(0, 1))
            .unwrap();
        assert_eq!(packet.modify(59, |_: &mut [u8; 2]| ()), Err(E2BIG));
        packet.write_bytes(0, b"ab").unwrap();
        let part = packet.part(8..12, &mut other).unwrap();
        assert_eq!((part.size(), part.read(0)), (4, Ok([9_u8, 8, 10, 11])));
        let mut value = DynptrSlot::new();
        let value = Dynptr::of_value(VALUE.cell(0).unwrap(), &mut value).unwrap();
        part.copy_to(1, value, 2, 3).unwrap();
        assert_eq!(part.copy_to(1, value, 14, 3), Err(E2BIG));
        let (start, end) = (3, 2);
        assert_eq!(packet.adjust(start..end), Err(EINVAL));
        assert_eq!(packet.adjust(50..61), Err(-34));
        packet.adjust(50..60).unwrap();
        assert_eq!((packet.size(), packet.read(9)), (10, Ok(59_u8)));
        packet
            .part_mut(9..10, &mut other)
            .unwrap()
            .write(0, &7_u8)
            .unwrap();
        assert_eq!(ctx.read(0), Some(*b"ab"));
        assert_eq!(ctx.read(59), Some(7_u8));
    });
    assert_eq!(VALUE.get(0).unwrap()[..6], [0, 0, 8, 10, 11, 0]);
}

#[test]
fn texts_are_searched_up_to_their_nul() {
    let mut name = *b"one two\0behind";
    assert_eq!(text::length_within(&name), Ok(7));
    let name = Text::of(&mut name);
    assert_eq!(text::length(name), Ok(7));
    assert_eq!(text::compare(name, c"one two"), Ok(Ordering::Equal));
    assert_eq!(text::compare(c"a", c"b"), Ok(Ordering::Less));
    assert_eq!(
        text::compare_ignoring_case(c"B", c"a"),
        Ok(Ordering::Greater)
    );
    assert_eq!(text::find(name, c"two"), Ok(Some(4)));
    assert_eq!(text::contains(name, c"behind"), Ok(false));
    assert_eq!(text::find_byte(name, b'o'), Ok(Some(0)));
    assert_eq!(text::find_last_byte(name, b'o'), Ok(Some(6)));
    assert_eq!(text::find_byte(name, 0), Ok(Some(7)));
    assert_eq!(text::find_byte_within(b"ab", b'c'), Ok(None));
    assert_eq!(text::span(c"aabbc", c"ab"), Ok(4));
    assert_eq!(text::span_without(c"key=value", c"="), Ok(3));
    assert_eq!(text::length(Text::at(std::ptr::null())), Err(EFAULT));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Pod)]
#[repr(C)]
struct Job {
    at: u64,
    number: u64,
}
item!(Job);

static LIST: Array<LockedList<Job>> = Array::with_max_entries(1, 0);
static TREE: Array<LockedTree<Job>> = Array::with_max_entries(1, 0);

#[test]
fn objects_come_out_of_lists_and_trees_in_order() {
    let job = |at, number| Job { at, number };
    for number in [1, 2, 3] {
        let mut object = Object::<ListItem<Job>>::new(job(0, number)).unwrap();
        object.at = 10;
        let mut list = LIST.get(0).unwrap().lock();
        match number {
            2 => list.push_front(object),
            _ => list.push_back(object),
        }
        .unwrap();
    }
    let mut list = LIST.get(0).unwrap().lock();
    assert_eq!(list.pop_back().map(|object| *object), Some(job(10, 3)));
    assert_eq!(list.pop_front().map(|object| *object), Some(job(10, 2)));
    assert_eq!(list.pop_back().map(|object| *object), Some(job(10, 1)));
    assert!(list.pop_front().is_none() && list.pop_back().is_none());
    drop(list);

    for (at, number) in [(30, 1), (10, 2), (20, 3), (10, 4), (40, 5)] {
        let object = Object::new(job(at, number)).unwrap();
        TREE.get(0).unwrap().lock().add(object).unwrap();
    }
    let mut tree = TREE.get(0).unwrap().lock();
    assert_eq!(tree.first(), Some(&job(10, 2)));
    let mut numbers = Vec::new();
    while let Some(object) = tree.remove_first() {
        numbers.push(object.number);
    }
    assert_eq!(numbers, [2, 4, 3, 1, 5]);
    assert_eq!(tree.first(), None);
}
