//! Events through perf buffers, typed events, several buffers at once, and messages to programs.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hachi::{
    Ebpf, EbpfLoader,
    maps::{EventPoll, HashMap, MapData, MapError, MapType, PerfEventArray, RingBuf, UserRingBuf},
    obj::{Insn, MapSpec, ProgramSpec, Relocation, RelocationKind, Spec},
    programs::{TestRunOptions, Xdp},
};
use hachi_asm::{AluOp, Imm64, JumpOp, Operand, Size, build};
use hachi_btf::{BtfBuilder, Func, FuncProto, Int, Linkage, Type, ext::FuncInfo};
use hachi_test::{require_bpf, supported};

use crate::support::{MAP_LOOKUP_ELEM, load, map_address, program, sender, spec};

fn fire(ebpf: &Ebpf, program: &str) -> u32 {
    let program: &Xdp = ebpf.program(program).unwrap().try_into().unwrap();
    let options = TestRunOptions::new().data(&[0; 64]);
    program.test_run(&options).unwrap().return_value
}

fn loaded(object: Spec) -> Ebpf {
    let mut ebpf = load(object);
    for (_, program) in ebpf.programs_mut() {
        program.load().unwrap();
    }
    ebpf
}

/// Sends `len` bytes of `fill` to perf event array `map`, on the CPU it runs on.
fn perf_sender(name: &str, map: &str, len: i32, fill: u8) -> ProgramSpec {
    const PERF_EVENT_OUTPUT: u32 = hachi_asm::helpers::id::PERF_EVENT_OUTPUT;
    const CURRENT_CPU: u64 = hachi::obj::uapi::BPF_F_CURRENT_CPU;
    let words = (len + 7) / 8;
    let mut insns: Vec<Insn> = vec![build::mov(6, 1)];
    insns.extend(build::ld_imm64(
        1,
        Imm64::Value(u64::from_ne_bytes([fill; 8])),
    ));
    for at in 1..=words {
        let offset = i16::try_from(-8 * at).unwrap();
        insns.push(build::store(Size::Dw, 10, offset, 1));
    }
    insns.push(build::mov(1, 6));
    let at = insns.len();
    insns.extend(map_address(2));
    insns.extend(build::ld_imm64(3, Imm64::Value(CURRENT_CPU)));
    insns.extend([
        build::mov(4, 10),
        build::add_imm(4, -8 * words),
        build::mov_imm(5, len),
        build::call_helper(PERF_EVENT_OUTPUT),
        build::exit(),
    ]);
    program(name, "xdp", insns, &[(at, map)])
}

fn perf_object() -> Ebpf {
    let map = MapSpec::new("EVENTS", MapType::PerfEventArray, 4, 4, 0);
    loaded(spec(
        vec![map],
        vec![
            perf_sender("five", "EVENTS", 5, 0x55),
            perf_sender("long", "EVENTS", 200, 0x77),
        ],
    ))
}

#[test]
fn perf_events_arrive_and_losses_are_counted() {
    require_bpf!();
    let mut ebpf = perf_object();
    assert_ne!(fire(&ebpf, "five"), 0, "nobody listens yet");
    let map = ebpf.take_map("EVENTS").unwrap();
    let mut array = PerfEventArray::try_from(map).unwrap();
    let mut events = array.open_all(Some(1)).unwrap();
    let nothing = events.read_timeout(Some(Duration::from_millis(20)), |_, _| {});
    assert_eq!(nothing.unwrap().read, 0);

    assert_eq!(fire(&ebpf, "five"), 0);
    assert_eq!(fire(&ebpf, "long"), 0);
    let mut seen = Vec::new();
    let read = events.read_timeout(Some(Duration::from_secs(5)), |_, data| {
        seen.push(data.to_vec());
    });
    // Two CPUs, two buffers: maybe in another order, or the second a little later.
    let mut total = read.unwrap().read;
    total += events.read(|_, data| seen.push(data.to_vec())).read;
    assert_eq!(total, 2);
    seen.sort_by_key(Vec::len);
    // Padded to 8 together with their 4 bytes of length.
    assert_eq!((seen[0].len(), &seen[0][..5]), (12, &[0x55; 5][..]));
    assert_eq!((seen[1].len(), &seen[1][..200]), (204, &[0x77; 200][..]));

    // Until it is full; then what comes is lost. Newer kernels are asked how much; older ones say
    // so with the next that finds room.
    let mut sent = 0;
    let mut lost = 0;
    for _ in 0..500 {
        match fire(&ebpf, "long") {
            0 => sent += 1,
            _ => lost += 1,
        }
    }
    assert!(lost > 0);
    let mut read = events.read(|_, data| assert_eq!(data[..200], [0x77; 200]));
    if !hachi_test::kernel_is_older_than("6.0") {
        assert_eq!(read.lost, lost);
    }
    for _ in 0..20 {
        sent += usize::from(fire(&ebpf, "five") == 0);
        let more = events.read(|_, _| {});
        read.read += more.read;
        read.lost += more.lost;
    }
    assert_eq!(read.read, sent, "none of those sent is missing");
    assert!(
        read.lost > 0 && read.lost <= lost,
        "{} of {lost}",
        read.lost
    );

    drop(events);
    assert_ne!(fire(&ebpf, "five"), 0, "nobody listens any more");
}

/// A record that is split at the end of the ring is whole.
#[test]
fn perf_buffers_wrap_around() {
    require_bpf!();
    let mut ebpf = perf_object();
    let map = ebpf.take_map("EVENTS").unwrap();
    let mut array = PerfEventArray::try_from(map).unwrap();
    let mut events = array.open_all(Some(1)).unwrap();
    for _ in 0..300 {
        assert_eq!(fire(&ebpf, "long"), 0);
        let read = events.read(|_, data| assert_eq!(data[..200], [0x77; 200]));
        assert_eq!((read.read, read.lost), (1, 0));
    }
    let cpu = events.buffers()[0].cpu();
    assert!(!events.buffers()[0].readable());
    let error = array.open(cpu, Some(3)).unwrap_err().to_string();
    assert!(error.contains("a power of two of pages"), "{error}");
}

#[test]
fn a_perf_buffer_of_a_cpu_that_is_offline() {
    require_bpf!();
    let map = MapSpec::new("EVENTS", MapType::PerfEventArray, 4, 4, 8192);
    let map = MapData::from_spec(&map).unwrap();
    let mut array = PerfEventArray::try_from(map).unwrap();
    let error = array.open(8191, None).unwrap_err().to_string();
    assert!(
        error.starts_with("map \"EVENTS\": CPU 8191 is offline or does not exist; online: 0"),
        "{error}"
    );
}

#[test]
fn typed_perf_events_are_without_padding() {
    require_bpf!();
    let mut ebpf = perf_object();
    let map = ebpf.take_map("EVENTS").unwrap();
    let mut array = PerfEventArray::try_from(map).unwrap();
    let mut events = array.open_all(Some(1)).unwrap();
    assert_eq!(fire(&ebpf, "five"), 0);
    assert_eq!(fire(&ebpf, "long"), 0);
    let (mut good, mut bad) = (Vec::<[u8; 5]>::new(), Vec::new());
    let read = events.read_as(|_, event| match event {
        Ok(event) => good.push(event),
        Err(error) => bad.push(error),
    });
    assert_eq!((read.read, read.lost), (2, 0));
    assert_eq!(good, [[0x55; 5]]);
    assert_eq!(bad.len(), 1);
    assert_eq!(
        bad[0].to_string(),
        "map \"EVENTS\" has an event of 204 bytes, with the kernel's padding; [u8; 5] has 5"
    );
}

fn ring_object() -> Ebpf {
    let ring = |name| MapSpec::new(name, MapType::Ringbuf, 0, 0, 4096);
    loaded(spec(
        vec![ring("ONE"), ring("TWO")],
        vec![
            sender("eight", "ONE", 8, 0x11),
            sender("five", "ONE", 5, 0x55),
            sender("other", "TWO", 16, 0x22),
        ],
    ))
}

#[test]
fn typed_events() {
    require_bpf!();
    let mut ebpf = ring_object();
    let ring = RingBuf::try_from(ebpf.take_map("ONE").unwrap()).unwrap();
    let mut events = ring.events::<[u32; 2]>();
    assert!(events.next().unwrap().is_none());
    fire(&ebpf, "eight");
    fire(&ebpf, "five");
    fire(&ebpf, "eight");
    assert_eq!(*events.next().unwrap().unwrap(), [0x1111_1111; 2]);
    let error = events.next().unwrap_err();
    assert_eq!(
        error.to_string(),
        "map \"ONE\" has an event of 5 bytes; [u32; 2] has 8"
    );
    let event = events
        .next_timeout(Duration::from_secs(5))
        .unwrap()
        .unwrap();
    assert_eq!(event[1], 0x1111_1111, "the one after the error");
    drop(event);
    fire(&ebpf, "five");
    fire(&ebpf, "eight");
    let mut count = 0;
    assert!(events.drain(|_| count += 1).is_err());
    assert_eq!(count, 1);
    assert!(events.into_ring().next().is_none());
}

/// A second reader would give the memory of a record back to programs while the first looks at it.
#[test]
fn a_ring_buffer_has_one_reader() {
    require_bpf!();
    let mut ebpf = ring_object();
    let id = ebpf.map("ONE").unwrap().data().info().unwrap().id();
    let mut ring = RingBuf::try_from(ebpf.take_map("ONE").unwrap()).unwrap();
    fire(&ebpf, "eight");
    let record = ring.next().unwrap();
    let error = RingBuf::try_from(MapData::from_id(id).unwrap()).unwrap_err();
    assert!(matches!(error, MapError::RingBufInUse { .. }), "{error}");
    assert_eq!(record[..], [0x11; 8]);
    drop(record);
    drop(ring);
    let mut again = RingBuf::try_from(MapData::from_id(id).unwrap()).unwrap();
    fire(&ebpf, "five");
    assert_eq!(again.next().unwrap()[..], [0x55; 5]);
    // Another one's reader is no obstacle.
    RingBuf::try_from(ebpf.map_mut("TWO").unwrap()).unwrap();
}

#[test]
fn a_user_ring_buffer_has_one_writer() {
    require_bpf!();
    let (_ebpf, ring, _) = supported!(user_ring());
    let id = ring.map().info().unwrap().id();
    let open = || UserRingBuf::try_from(MapData::from_id(id).unwrap());
    assert!(matches!(open(), Err(MapError::RingBufInUse { .. })));
    drop(ring);
    let map = MapData::from_spec(&MapSpec::new("U", MapType::UserRingbuf, 0, 0, 4096)).unwrap();
    let again = UserRingBuf::try_from(map).unwrap();
    assert_eq!(again.unread(), 0);
}

#[test]
fn several_buffers_at_once() {
    require_bpf!();
    let mut ebpf = ring_object();
    let one = RingBuf::try_from(ebpf.take_map("ONE").unwrap()).unwrap();
    let two = RingBuf::try_from(ebpf.take_map("TWO").unwrap()).unwrap();
    let mut perf = perf_object();
    let map = perf.take_map("EVENTS").unwrap();
    let perf_events = PerfEventArray::try_from(map)
        .unwrap()
        .open_all(None)
        .unwrap();

    let seen = Mutex::new(Vec::new());
    let note = |what: &str| seen.lock().unwrap().push(what.to_owned());
    let mut poll = EventPoll::new().unwrap();
    poll.add(one, |data| note(&format!("one {}", data.len())))
        .unwrap();
    poll.add(two, |data| note(&format!("two {}", data.len())))
        .unwrap();
    poll.add_perf(perf_events, |_, _| note("perf"), |_| note("lost"))
        .unwrap();
    let start = Instant::now();
    assert_eq!(poll.poll(Some(Duration::from_millis(30))).unwrap(), 0);
    assert!(start.elapsed() >= Duration::from_millis(30));

    fire(&ebpf, "other");
    assert_eq!(poll.poll(Some(Duration::from_secs(5))).unwrap(), 1);
    fire(&ebpf, "eight");
    fire(&ebpf, "eight");
    fire(&perf, "five");
    let mut count = 0;
    while count < 3 {
        count += poll.poll(Some(Duration::from_secs(5))).unwrap();
    }
    assert_eq!(poll.consume(), 0);
    fire(&ebpf, "other");
    assert_eq!(poll.consume(), 1);
    drop(poll);
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, ["one 8", "one 8", "perf", "two 16", "two 16"]);
}

/// A reader that panics has still given back what it has read.
#[test]
fn a_drain_that_panics() {
    require_bpf!();
    let mut ebpf = ring_object();
    let mut ring = RingBuf::try_from(ebpf.take_map("ONE").unwrap()).unwrap();
    fire(&ebpf, "eight");
    fire(&ebpf, "five");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ring.drain(|_| panic!("on purpose"));
    }));
    assert!(panicked.is_err());
    assert_eq!(ring.next().unwrap()[..], [0x55; 5]);
    assert_eq!(ring.unread(), 0);
}

/// Program `drain` reads all messages (of 8 bytes) of user ring buffer `RING`, adds each to element
/// 0 of `SUM`, and returns their number.
fn drainer() -> Spec {
    const DYNPTR_READ: u32 = hachi_asm::helpers::id::DYNPTR_READ;
    const USER_RINGBUF_DRAIN: u32 = hachi_asm::helpers::id::USER_RINGBUF_DRAIN;
    let mut insns: Vec<Insn> = map_address(1).into();
    let function = insns.len();
    insns.extend([Insn::default(); 2]);
    insns.extend([
        build::mov_imm(3, 0),
        build::mov_imm(4, 0),
        build::call_helper(USER_RINGBUF_DRAIN),
        build::exit(),
    ]);
    let callback = insns.len();
    insns.extend([
        build::mov(3, 1),
        build::mov(1, 10),
        build::add_imm(1, -8),
        build::mov_imm(2, 8),
        build::mov_imm(4, 0),
        build::mov_imm(5, 0),
        build::call_helper(DYNPTR_READ),
        build::store_imm(Size::W, 10, -12, 0),
        build::mov(2, 10),
        build::add_imm(2, -12),
    ]);
    let sum = insns.len();
    insns.extend(map_address(1));
    insns.extend([
        build::call_helper(MAP_LOOKUP_ELEM),
        build::jump(JumpOp::Eq, 0, Operand::Imm(0), 4),
        build::load(Size::Dw, 1, 10, -8),
        build::load(Size::Dw, 2, 0, 0),
        build::alu(AluOp::Add, 2, Operand::Reg(1)),
        build::store(Size::Dw, 0, 0, 2),
        build::mov_imm(0, 0),
        build::exit(),
    ]);
    let distance = i32::try_from(callback - function - 1).unwrap();
    insns[function..function + 2].copy_from_slice(&build::ld_imm64(2, Imm64::Func(distance)));

    let mut types = BtfBuilder::new();
    let int = types.add(Type::Int(Int::signed("int", 4)));
    let proto = types.add(Type::FuncProto(FuncProto {
        ret_type_id: int,
        params: Vec::new(),
    }));
    let mut func = |name: &str, linkage| {
        types.add(Type::Func(Func {
            name: name.to_owned(),
            type_id: proto,
            linkage,
        }))
    };
    let ids = [
        (0, func("drain", Linkage::Global)),
        (callback, func("take", Linkage::Static)),
    ];
    let mut drain = program("drain", "xdp", insns, &[(0, "RING")]);
    let code = drain.code_mut().unwrap();
    code.relocations.push(Relocation::new(
        sum,
        RelocationKind::Map { name: "SUM".into() },
    ));
    code.func_info = ids
        .iter()
        .map(|&(at, type_id)| FuncInfo {
            insn_off: at as u32,
            type_id,
        })
        .collect();
    let maps = vec![
        MapSpec::new("RING", MapType::UserRingbuf, 0, 0, 4096),
        MapSpec::new("SUM", MapType::Hash, 4, 8, 1),
    ];
    let mut object = spec(maps, vec![drain]);
    object.btf = crate::support::types(&types);
    object
}

/// The loaded program, its buffer and its sum.
type UserRing = (Ebpf, UserRingBuf<MapData>, HashMap<MapData, u32, u64>);

fn user_ring() -> Result<UserRing, hachi::EbpfError> {
    let mut ebpf = EbpfLoader::new().load_spec(drainer())?;
    ebpf.program_mut("drain").unwrap().load().unwrap();
    let ring = ebpf.take_map("RING").unwrap().try_into().unwrap();
    let mut sum: HashMap<_, u32, u64> = ebpf.take_map("SUM").unwrap().try_into().unwrap();
    sum.insert(0, 0, 0).unwrap();
    Ok((ebpf, ring, sum))
}

#[test]
fn messages_to_programs() {
    require_bpf!();
    let (ebpf, mut ring, sum) = supported!(user_ring());
    assert_eq!(fire(&ebpf, "drain"), 0);
    assert!(ring.push(&5u64).unwrap());
    let mut message = ring.reserve(8).unwrap();
    message.copy_from_slice(&7u64.to_ne_bytes());
    message.submit();
    ring.reserve(8).unwrap().discard();
    drop(ring.reserve(100).unwrap());
    assert_eq!(fire(&ebpf, "drain"), 2);
    assert_eq!(sum.get(&0, 0).unwrap(), 12);
    assert_eq!(ring.unread(), 0);

    // Round and round, and full.
    let mut total = 12;
    for round in 0..1000u64 {
        assert!(ring.push(&round).unwrap());
        assert!(ring.push(&1u64).unwrap());
        total += round + 1;
        assert_eq!(fire(&ebpf, "drain"), 2);
    }
    assert_eq!(sum.get(&0, 0).unwrap(), total);
    let mut sent = 0;
    while ring.push(&1u64).unwrap() {
        sent += 1;
    }
    assert_eq!(sent, 4096 / 16);
    assert!(ring.reserve(1).is_none());
    let start = Instant::now();
    assert!(
        ring.reserve_timeout(8, Duration::from_millis(30))
            .unwrap()
            .is_none()
    );
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert_eq!(fire(&ebpf, "drain"), sent);
    let too_large = ring.capacity() + 1;
    assert!(ring.reserve(too_large - 1).is_some());
    assert!(ring.reserve(too_large).is_none());
    assert!(ring.reserve_timeout(too_large, Duration::ZERO).is_err());
    assert!(ring.push(&[0u8; 8192]).is_err());
}

#[test]
fn a_writer_is_woken_when_there_is_room() {
    require_bpf!();
    let (ebpf, mut ring, _) = supported!(user_ring());
    while ring.push(&1u64).unwrap() {}
    let drained = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            drained.store(fire(&ebpf, "drain") as usize, Ordering::Relaxed);
        });
        let room = ring.reserve_timeout(8, Duration::from_secs(10)).unwrap();
        assert!(room.is_some());
    });
    assert_eq!(drained.into_inner(), 256);
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use std::{future::poll_fn, pin::Pin};

    use futures_core::Stream;
    use hachi::maps::PerfEvent;

    use super::*;

    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(20), future)
                .await
                .expect("is woken")
        })
    }

    async fn next<S: Stream + Unpin>(stream: &mut S) -> S::Item {
        poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx))
            .await
            .unwrap()
    }

    /// Does something a little later, from another thread.
    fn later<'scope>(
        scope: &'scope std::thread::Scope<'scope, '_>,
        f: impl FnOnce() + Send + 'scope,
    ) {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(30));
            f();
        });
    }

    #[test]
    fn typed_events_are_a_stream() {
        require_bpf!();
        let mut ebpf = ring_object();
        let ring = RingBuf::try_from(ebpf.take_map("ONE").unwrap()).unwrap();
        std::thread::scope(|scope| {
            later(scope, || {
                fire(&ebpf, "eight");
                fire(&ebpf, "five");
            });
            block_on(async {
                let mut events = ring.events::<u64>().into_async().unwrap();
                assert_eq!(next(&mut events).await.unwrap(), 0x1111_1111_1111_1111);
                let error = next(&mut events).await.unwrap_err();
                assert!(error.to_string().contains("5 bytes; u64 has 8"), "{error}");
            });
        });
    }

    #[test]
    fn perf_events_are_a_stream() {
        require_bpf!();
        let mut ebpf = perf_object();
        let map = ebpf.take_map("EVENTS").unwrap();
        let events = PerfEventArray::try_from(map)
            .unwrap()
            .open_all(None)
            .unwrap();
        std::thread::scope(|scope| {
            later(scope, || {
                fire(&ebpf, "five");
                fire(&ebpf, "five");
            });
            block_on(async {
                let mut events = events.into_async().unwrap();
                for _ in 0..2 {
                    let PerfEvent::Data { data, .. } = next(&mut events).await.unwrap() else {
                        panic!("nothing was lost");
                    };
                    assert_eq!(data[..5], [0x55; 5]);
                }
            });
        });
    }

    #[test]
    fn user_ring_buffers_wait_for_room() {
        require_bpf!();
        let (ebpf, mut ring, _) = supported!(user_ring());
        while ring.push(&1u64).unwrap() {}
        assert!(ring.reserve(8).is_none());
        std::thread::scope(|scope| {
            later(scope, || {
                fire(&ebpf, "drain");
            });
            block_on(async {
                let mut ring = ring.into_async().unwrap();
                ring.reserve(8).await.unwrap().submit();
                assert!(ring.reserve(1 << 20).await.is_err());
            });
        });
        assert_eq!(fire(&ebpf, "drain"), 1);
    }
}
