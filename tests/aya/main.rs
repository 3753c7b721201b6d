//! What programs written for Aya do, with Aya's names alone: through dependencies that are renamed.

mod btf;
mod contexts;
mod links;

use std::{
    io::ErrorKind,
    net::UdpSocket,
    os::fd::AsRawFd as _,
    process,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader, TestRun as _, TestRunOptions, VerifierLogLevel,
    maps::{
        Array, HashMap, LpmTrie, Map, MapData, MapError, MapType, PerCpuArray, PerCpuHashMap,
        PerCpuValues, Queue, RingBuf, Stack,
        lpm_trie::Key,
        perf::{PerfEvent, PerfEventArray, PerfEventArrayBuffer},
    },
    programs::{
        Program, ProgramError, ProgramType, SchedClassifier, SocketFilter, TracePoint, UProbe, Xdp,
        XdpFlags, XdpMode,
        links::{FdLink, LinkError},
        uprobe::UProbeLinkId,
        xdp::XdpLink,
    },
    sys::{SyscallError, is_map_supported, is_program_supported},
    util::{KernelVersion, online_cpus},
};
use aya_log::EbpfLogger;
use aya_obj::generated::bpf_prog_type;
use bytes::BytesMut;
use hachi_test::{Netns, VethPair, require_bpf};
use hachi_tests::aya_object;

/// As in the kernel's program; Aya's way to say that it is plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
struct Count {
    packets: u64,
    bytes: u64,
}

// SAFETY: two integers without padding.
unsafe impl aya::Pod for Count {}

fn object(name: &str) -> Vec<u8> {
    std::fs::read(aya_object(name)).expect("the object of the programs")
}

/// A UDP packet over IPv4 from 10.0.0.1.
fn packet() -> [u8; 64] {
    let mut packet = [0; 64];
    packet[12..14].copy_from_slice(&[8, 0]);
    packet[26..30].copy_from_slice(&[10, 0, 0, 1]);
    packet
}

fn xdp<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut Xdp {
    ebpf.program_mut(name).unwrap().try_into().unwrap()
}

/// What the program returns for one packet.
fn run(program: &Xdp) -> u32 {
    let packet = packet();
    let result = program.test_run(TestRunOptions {
        data_in: Some(&packet),
        ..TestRunOptions::default()
    });
    result.unwrap().return_value
}

#[test]
fn missing_programs_and_maps_are_none() {
    require_bpf!();
    let mut ebpf = Ebpf::load(&object("network")).unwrap();
    assert!(ebpf.program("nothing_like_it").is_none());
    assert!(ebpf.program_mut("xdp").is_none(), "sections are no names");
    assert!(ebpf.map("NOTHING").is_none() && ebpf.map_mut("NOTHING").is_none());
    assert!(ebpf.take_map("BLOCKLIST").is_some());
    assert!(ebpf.take_map("BLOCKLIST").is_none());
    let names: Vec<&str> = ebpf.programs().map(|(name, _)| name).collect();
    for name in ["firewall", "mark", "nothing"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let missing = Ebpf::load_file("/nowhere/object");
    assert!(matches!(
        missing,
        Err(EbpfError::FileError { path, error })
            if path.as_os_str() == "/nowhere/object" && error.kind() == ErrorKind::NotFound
    ));
    assert!(matches!(
        Ebpf::load(b"no object"),
        Err(EbpfError::ParseError(_))
    ));
}

#[test]
fn maps_are_read_and_written() {
    require_bpf!();
    let mut ebpf = EbpfLoader::new()
        .override_global("STEP", &3u64, true)
        .map_max_entries("COUNTS", 4)
        .verifier_log_level(VerifierLogLevel::VERBOSE | VerifierLogLevel::STATS)
        .load(&object("maps"))
        .unwrap();
    let program = xdp(&mut ebpf, "count");
    program.load().unwrap();

    let mut prefixes: LpmTrie<_, [u8; 4], u32> =
        ebpf.map_mut("PREFIXES").unwrap().try_into().unwrap();
    prefixes.insert(&Key::new(8, [10, 0, 0, 0]), 77, 0).unwrap();
    let mut queue: Queue<_, u32> = ebpf.map_mut("QUEUE").unwrap().try_into().unwrap();
    queue.push(5, 0).unwrap();
    let mut ring = RingBuf::try_from(ebpf.take_map("EVENTS").unwrap()).unwrap();

    for _ in 0..2 {
        assert_eq!(run(xdp(&mut ebpf, "count")), 2);
    }

    let counts: HashMap<_, u32, Count> = ebpf.map("COUNTS").unwrap().try_into().unwrap();
    let expected = Count {
        packets: 6,
        bytes: 128,
    };
    assert_eq!(counts.get(&1, 0).unwrap(), expected);
    assert!(matches!(counts.get(&2, 0), Err(MapError::KeyNotFound)));
    let all: Result<Vec<_>, _> = counts.iter().collect();
    assert_eq!(all.unwrap(), [(1, expected)]);
    assert_eq!(counts.keys().count(), 1);
    let total: Array<_, u64> = ebpf.map("TOTAL").unwrap().try_into().unwrap();
    assert_eq!(
        (total.get(&0, 0).unwrap(), total.get(&1, 0).unwrap()),
        (128, 3)
    );
    assert!(matches!(
        total.get(&2, 0),
        Err(MapError::OutOfBounds {
            index: 2,
            max_entries: 2
        })
    ));
    let per_cpu: PerCpuArray<_, u64> = ebpf.map("PER_CPU").unwrap().try_into().unwrap();
    let values: PerCpuValues<u64> = per_cpu.get(&0, 0).unwrap();
    assert_eq!(values.iter().sum::<u64>(), 2);
    let per_cpu: PerCpuHashMap<_, u32, u64> = ebpf.map("PER_CPU_HASH").unwrap().try_into().unwrap();
    assert!(per_cpu.get(&7, 0).unwrap().contains(&128));

    // What the program took from the trie and the queue.
    let mut stack: Stack<_, u32> = ebpf.map_mut("STACK").unwrap().try_into().unwrap();
    assert_eq!((stack.pop(0).unwrap(), stack.pop(0).unwrap()), (77, 5));
    assert_eq!(stack.pop(0).unwrap(), 77);
    assert!(matches!(stack.pop(0), Err(MapError::ElementNotFound)));

    let first = ring.next().expect("an event");
    assert_eq!(first.len(), size_of::<Count>());
    assert_eq!(first[..8], 3u64.to_ne_bytes());
    drop(first);
    assert!(ring.next().is_some() && ring.next().is_none());
    assert!(ring.as_raw_fd() >= 0);

    // As the wrong type, and of the wrong size.
    let wrong = HashMap::<_, u32, u64>::try_from(ebpf.map("TOTAL").unwrap());
    assert!(matches!(
        wrong,
        Err(MapError::InvalidMapType { map_type: 2 })
    ));
    let wrong = HashMap::<_, u32, u32>::try_from(ebpf.map("COUNTS").unwrap());
    assert!(matches!(
        wrong,
        Err(MapError::InvalidValueSize {
            size: 4,
            expected: 16
        })
    ));
    // Other types of the same size are fine: Aya compares sizes.
    assert!(HashMap::<_, [u8; 4], [u64; 2]>::try_from(ebpf.map("COUNTS").unwrap()).is_ok());
    let map = ebpf.map("COUNTS").unwrap();
    assert!(matches!(map, Map::HashMap(_)));
    let Map::HashMap(data) = map else { return };
    let info = data.info().unwrap();
    assert_eq!((info.max_entries(), info.value_size()), (4, 16));
    assert_eq!(info.map_type().unwrap(), MapType::Hash);
    assert_eq!(info.name_as_str(), Some("COUNTS"));

    let [one, none, two] = ebpf.maps_disjoint_mut(["COUNTS", "NOTHING", "TOTAL"]);
    assert!(one.is_some() && none.is_none() && two.is_some());
}

/// Keys with padding are one entry if their fields are equal, and no byte of the stack gets out.
#[test]
fn padding_is_sent_as_zeros() {
    require_bpf!();
    let mut ebpf = Ebpf::load(&object("maps")).unwrap();
    let program = xdp(&mut ebpf, "padded");
    program.load().unwrap();
    for _ in 0..2 {
        assert_eq!(run(xdp(&mut ebpf, "padded")), 2);
    }
    let [a, b, c, d] = 0x0a00_0001u32.to_ne_bytes();
    let expected = [a, b, c, d, 64, 0, 0, 0];
    let flows: HashMap<_, [u8; 8], [u8; 8]> = ebpf.map("FLOWS").unwrap().try_into().unwrap();
    let all: Result<Vec<_>, _> = flows.iter().collect();
    assert_eq!(all.unwrap(), [(expected, expected)]);
    let mut ring = RingBuf::try_from(ebpf.take_map("PADDED").unwrap()).unwrap();
    for _ in 0..4 {
        assert_eq!(*ring.next().expect("an event"), expected);
    }
}

/// The helper that it calls is for programs under the GPL only.
#[test]
fn a_program_that_states_no_licence_is_under_the_gpl() {
    require_bpf!();
    let mut ebpf = Ebpf::load(&object("unlicensed")).unwrap();
    let program: &mut TracePoint = ebpf.program_mut("named").unwrap().try_into().unwrap();
    program.load().unwrap();
    let info = program.info().unwrap();
    assert_eq!(info.gpl_compatible(), Some(true));
    assert_eq!(info.program_type(), bpf_prog_type::BPF_PROG_TYPE_TRACEPOINT);
    // What a program states counts.
    let bytes = object("maps");
    let stated = b"Dual MIT/GPL\0";
    assert!(bytes.windows(stated.len()).any(|window| window == stated));
    let section = b".hachi.license";
    assert!(!bytes.windows(section.len()).any(|window| window == section));
}

#[test]
fn maps_are_made_without_an_object() {
    require_bpf!();
    let mut map = HashMap::<MapData, u32, u32>::create(2, 0).unwrap();
    map.insert(1, 10, 0).unwrap();
    map.insert(2, 20, 0).unwrap();
    assert!(matches!(
        map.insert(3, 30, 0),
        Err(MapError::SyscallError(SyscallError { ref io_error, .. }))
            if io_error.raw_os_error() == Some(libc::E2BIG)
    ));
    map.remove(&1).unwrap();
    assert!(matches!(map.remove(&1), Err(MapError::KeyNotFound)));
    assert!(matches!(
        HashMap::<MapData, u32, u32>::create(0, 0),
        Err(MapError::CreateError { .. })
    ));
}

#[test]
fn perf_events_are_read() {
    require_bpf!();
    let mut ebpf = Ebpf::load(&object("maps")).unwrap();
    let mut array = PerfEventArray::try_from(ebpf.take_map("PERF").unwrap()).unwrap();
    let mut buffers: Vec<PerfEventArrayBuffer<MapData>> = online_cpus()
        .unwrap()
        .into_iter()
        .map(|cpu| array.open(cpu, Some(2)).unwrap())
        .collect();
    let program = xdp(&mut ebpf, "count");
    program.load().unwrap();

    for _ in 0..3 {
        run(xdp(&mut ebpf, "count"));
    }
    // Two at a time; none is lost for lack of room.
    let mut seen = 0;
    for buffer in &mut buffers {
        let mut room = vec![BytesMut::with_capacity(4); 2];
        while buffer.readable() {
            let events = buffer.read_events(&mut room).unwrap();
            assert!(events.lost == 0 && events.read <= 2);
            for event in &room[..events.read] {
                assert_eq!(event[8..16], 64u64.to_ne_bytes());
            }
            seen += events.read;
        }
        assert!(buffer.read_events(&mut []).is_err());
    }
    assert_eq!(seen, 3);

    run(xdp(&mut ebpf, "count"));
    let count = |sum, event: PerfEvent<'_>| match event {
        PerfEvent::Sample { head, tail } => sum + usize::from(head.len() + tail.len() >= 16),
        PerfEvent::Lost { .. } => sum,
    };
    assert_eq!(
        buffers
            .iter_mut()
            .fold(0, |sum, buffer| buffer.fold(sum, count)),
        1
    );
}

#[test]
fn links_have_types_of_their_own() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    netns.run(|| {
        let mut ebpf = Ebpf::load(&object("network")).unwrap();
        let program = xdp(&mut ebpf, "firewall");
        assert!(matches!(
            program.attach("lo", XdpMode::Skb),
            Err(ProgramError::NotLoaded)
        ));
        program.load().unwrap();
        assert!(matches!(program.load(), Err(ProgramError::AlreadyLoaded)));
        assert!(matches!(
            program.attach("nowhere0", XdpMode::default()),
            Err(ProgramError::UnknownInterface { name }) if name == "nowhere0"
        ));
        let id = program.attach("lo", XdpMode::Skb).unwrap();
        let link: XdpLink = program.take_link(id).unwrap();
        assert_eq!(link.id(), link.id());
        // Not twice; the kernel's answer is in the error.
        assert!(matches!(
            program.attach("lo", XdpFlags::SKB_MODE),
            Err(ProgramError::SyscallError(SyscallError { io_error, .. }))
                if io_error.raw_os_error() == Some(libc::EBUSY)
        ));
        match FdLink::try_from(link) {
            Ok(link) => {
                let info = link.info().unwrap();
                assert_eq!(info.program_id(), program.info().unwrap().id());
                let link = XdpLink::try_from(link).unwrap();
                let id = program.attach_to_link(link).unwrap();
                program.detach(id).unwrap();
            }
            // Linux < 5.9 has no links for XDP.
            Err(LinkError::InvalidLink) => {}
            Err(other) => panic!("{other}"),
        }
        let id = program.attach("lo", XdpMode::Skb).unwrap();
        program.detach(id).unwrap();

        let program: &mut SchedClassifier = ebpf.program_mut("mark").unwrap().try_into().unwrap();
        program.load().unwrap();
        let id = program
            .attach("lo", aya::programs::TcAttachType::Ingress)
            .unwrap();
        program.detach(id).unwrap();

        // Of another type.
        let program = ebpf.program_mut("firewall").unwrap();
        assert_eq!(program.prog_type(), ProgramType::Xdp);
        assert!(matches!(program, Program::Xdp(_)));
        let wrong: Result<&mut TracePoint, _> = program.try_into();
        assert!(matches!(wrong, Err(ProgramError::UnexpectedProgramType)));
    });
}

/// As in Aya, and not as in Hachi, where an attachment ends with its owner.
#[test]
fn socket_filters_stay_when_the_object_goes() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    netns.run(|| {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let passes = || {
            sender
                .send_to(b"x", receiver.local_addr().unwrap())
                .unwrap();
            receiver.recv(&mut [0]).is_ok()
        };
        assert!(passes());
        let mut ebpf = Ebpf::load(&object("network")).unwrap();
        let program: &mut SocketFilter = ebpf.program_mut("nothing").unwrap().try_into().unwrap();
        program.load().unwrap();
        program.attach(&receiver).unwrap();
        assert!(!passes());
        drop(ebpf);
        assert!(!passes(), "the filter is gone");
        SocketFilter::detach(&receiver).unwrap();
        assert!(passes());
        assert!(matches!(
            SocketFilter::detach(&receiver),
            Err(ProgramError::SocketFilterError(_))
        ));
    });
}

/// The verifier lets some helpers be called under the GPL only. An object without a licence is
/// refused by Hachi itself, as libbpf does, unless it is told what to assume.
#[test]
fn a_missing_licence_means_the_gpl() {
    require_bpf!();
    let mut bytes = object("maps");
    let name = b"\0license\0";
    // The section is called otherwise, in its header and in the BTF, so that there is none of that
    // name.
    let mut at = 0;
    while at + name.len() <= bytes.len() {
        if bytes[at..].starts_with(name) {
            bytes[at + 1] = b'x';
        }
        at += 1;
    }

    let mut ebpf = Ebpf::load(&bytes).unwrap();
    let program = xdp(&mut ebpf, "count");
    program.load().unwrap();
    assert_eq!(program.info().unwrap().gpl_compatible(), Some(true));

    let mut plain = hachi::Ebpf::load(&bytes).unwrap();
    assert!(plain.program_mut("count").unwrap().load().is_err());
    let mut assumed = hachi::EbpfLoader::new()
        .assume_license("GPL")
        .load(&bytes)
        .unwrap();
    assumed.program_mut("count").unwrap().load().unwrap();
}

/// A logger of the `log` crate that keeps what it gets.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = format!("{} {}", record.level(), record.args());
        self.0.lock().unwrap().push(text);
    }

    fn flush(&self) {}
}

impl Kept {
    fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn firewall(level: u8) -> Ebpf {
    let mut ebpf = EbpfLoader::new()
        .override_global(aya_log::LEVEL, &level, true)
        .load(&object("network"))
        .unwrap();
    xdp(&mut ebpf, "firewall").load().unwrap();
    ebpf
}

#[test]
fn messages_come_by_flush_up_to_the_level() {
    require_bpf!();
    for (level, expected) in [(5, vec!["DEBUG pass 10.0.0.1 port 0"]), (3, Vec::new())] {
        let mut ebpf = firewall(level);
        let kept = Kept::default();
        let mut logger = EbpfLogger::init_with_logger(&mut ebpf, kept.clone()).unwrap();
        run(xdp(&mut ebpf, "firewall"));
        logger.flush();
        assert_eq!(kept.texts(), expected);
        // There is one reader.
        assert!(EbpfLogger::init_with_logger(&mut ebpf, Kept::default()).is_err());
    }
}

/// `if let Err(e) = EbpfLogger::init(&mut ebpf)`: the logger is gone before a message comes.
#[test]
fn a_logger_dropped_at_once_goes_on() {
    require_bpf!();
    let mut ebpf = firewall(5);
    let kept = Kept::default();
    if let Err(error) = EbpfLogger::init_with_logger(&mut ebpf, kept.clone()) {
        panic!("{error}");
    }
    run(xdp(&mut ebpf, "firewall"));
    let limit = Instant::now() + Duration::from_secs(5);
    while kept.texts().is_empty() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(kept.texts(), ["DEBUG pass 10.0.0.1 port 0"]);
    // What is sent just before the object goes arrives, too; then the thread has ended.
    run(xdp(&mut ebpf, "firewall"));
    drop(ebpf);
    assert_eq!(kept.texts().len(), 2);
    assert_eq!(Arc::strong_count(&kept.0), 1);
}

#[test]
fn a_logger_that_was_waited_for_stops_when_dropped() {
    require_bpf!();
    let mut ebpf = firewall(5);
    let kept = Kept::default();
    let logger = EbpfLogger::init_with_logger(&mut ebpf, kept.clone()).unwrap();
    assert!(logger.as_raw_fd() >= 0);
    drop(logger);
    assert_eq!(Arc::strong_count(&kept.0), 1, "a thread has it");
    run(xdp(&mut ebpf, "firewall"));
    drop(ebpf);
    assert!(kept.texts().is_empty());
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_tests_aya_probe(argument: u64) -> u64 {
    std::hint::black_box(argument)
}

/// Attaches to a function of this program, for this process.
fn attach(program: &mut UProbe, function: &str) -> Result<UProbeLinkId, ProgramError> {
    let target = "/proc/self/exe";
    #[cfg(not(feature = "v0_13"))]
    {
        program.attach(
            function,
            target,
            aya::programs::uprobe::UProbeScope::CallingProcess,
        )
    }
    #[cfg(feature = "v0_13")]
    {
        program.attach(Some(function), 0, target, Some(0))
    }
}

#[test]
fn a_uprobe_knows_who_calls() {
    require_bpf!();
    let mut ebpf = Ebpf::load(&object("tracing")).unwrap();
    let program: &mut UProbe = ebpf.program_mut("called").unwrap().try_into().unwrap();
    program.load().unwrap();
    let missing = attach(program, "no_such_function");
    assert!(
        matches!(missing, Err(ProgramError::UProbeError(_))),
        "{missing:?}"
    );
    match attach(program, "hachi_tests_aya_probe") {
        Ok(_) => {}
        // Kernels without uprobes.
        Err(ProgramError::SyscallError(SyscallError { io_error, .. }))
            if io_error.kind() == ErrorKind::NotFound =>
        {
            hachi_test::skip!("the kernel has no uprobes");
        }
        Err(other) => panic!("{other}"),
    }
    hachi_tests_aya_probe(42);
    let calls: HashMap<_, u32, u64> = ebpf.map("CALLS").unwrap().try_into().unwrap();
    assert_eq!(calls.get(&process::id(), 0).unwrap(), 42);
    let ids: Array<_, [u32; 4]> = ebpf.map("IDS").unwrap().try_into().unwrap();
    let [pid, tgid, uid, gid] = ids.get(&0, 0).unwrap();
    assert_eq!((tgid, uid, gid), (process::id(), 0, 0));
    assert_ne!(pid, 0);
}

#[test]
fn the_kernel_says_what_it_supports() {
    require_bpf!();
    assert!(is_map_supported(MapType::Hash).unwrap());
    assert!(is_map_supported(MapType::Unspecified).is_err());
    assert!(is_program_supported(ProgramType::Xdp).unwrap());
    assert!(KernelVersion::current().unwrap() > KernelVersion::new(4, 1, 0));
    assert_eq!(KernelVersion::new(6, 12, 7).code(), 0x06_0c_07);
    assert!(!online_cpus().unwrap().is_empty());
    match Btf::from_sys_fs() {
        Ok(btf) => drop(btf),
        // `?` makes an `EbpfError` of it.
        Err(error) => assert!(matches!(EbpfError::from(error), EbpfError::BtfError(_))),
    }
}

#[test]
fn attachments_of_a_pair_of_interfaces_see_packets() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let mut ebpf = Ebpf::load(&object("network")).unwrap();
    let mut blocked: HashMap<_, u32, u32> = ebpf.map_mut("BLOCKLIST").unwrap().try_into().unwrap();
    blocked.insert(u32::from(wire.left.ipv4()), 1, 0).unwrap();
    let program = xdp(&mut ebpf, "firewall");
    program.load().unwrap();
    let interface = wire.right.interface().to_owned();
    wire.right
        .netns()
        .run(|| program.attach(&interface, XdpMode::Skb).unwrap());
    let (to, from) = (wire.right.ipv4().into(), wire.left.ipv4().into());
    let pings = wire.left.ping_from(Some(from), to, 1).unwrap();
    assert!(pings.none_answered());
    drop(ebpf);
    let pings = wire.left.ping_from(Some(from), to, 1).unwrap();
    assert!(pings.all_answered());
}
