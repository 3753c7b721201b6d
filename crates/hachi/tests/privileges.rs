//! What a process without rights gets as errors.
//!
//! And what a process with few is allowed. Each test changes the capabilities of threads of its
//! own.

mod support;

use hachi::Capability;
use std::io;

use hachi::{
    EbpfError, EbpfLoader, features,
    maps::{HashMap, MapData, MapError, RingBuf},
    obj::{MapSpec, MapType},
    programs::{
        BtfTracePoint, ProgramError, RawTracePoint, SocketFilter, TargetProblem, TestRunOptions,
        UProbe, UProbeMulti, Unloadable, XdpFlags,
    },
};
use hachi_btf::{BtfBuilder, Int, Type};
use hachi_test::{Bpffs, Netns, is_root, require_bpf};
use support::{
    load, one, spec,
    tracing::{observer, watching},
    xdp,
};

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;

/// Leaves the calling thread with the given effective capabilities (numbers) only.
fn keep_only(capabilities: &[u32]) {
    let mut words = [0u32; 2];
    for capability in capabilities {
        words[*capability as usize / 32] |= 1 << (capability % 32);
    }
    let mut header = [VERSION, 0];
    // Effective, permitted, inheritable: low words, then high words.
    let mut data = [0u32; 6];
    // SAFETY: header and data have the layout of version 3 and outlive both calls.
    let result = unsafe {
        libc::syscall(libc::SYS_capget, header.as_mut_ptr(), data.as_mut_ptr());
        (data[0], data[3]) = (words[0], words[1]);
        libc::syscall(libc::SYS_capset, header.as_mut_ptr(), data.as_ptr())
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

const CAP_NET_ADMIN: u32 = Capability::NetAdmin as u32;
const CAP_BPF: u32 = Capability::Bpf as u32;

#[test]
fn errors_name_the_capability() {
    require_bpf!();
    if !is_root() {
        hachi_test::skip!("needs capabilities to give up");
    }
    let bpffs = Bpffs::new().unwrap();
    // In a thread of its own there, which may lose its capabilities for good.
    Netns::new().unwrap().run(|| lose_capabilities(&bpffs));
}

fn lose_capabilities(bpffs: &Bpffs) {
    let map = MapSpec::new("M", MapType::Array, 4, 4, 1);
    let mut ebpf = load(spec(vec![map.clone()], vec![support::verdict("pass", 2)]));
    ebpf.map("M").unwrap().data().pin(bpffs.join("M")).unwrap();
    let mut unloaded = load(one("later", 2));
    let loaded = xdp(&mut ebpf, "pass");

    // With CAP_BPF and CAP_NET_ADMIN all works.
    keep_only(&[CAP_BPF, CAP_NET_ADMIN]);
    drop(load(spec(vec![map.clone()], Vec::new())));
    xdp(&mut load(one("pass", 2)), "pass");

    // XDP is networking: CAP_BPF alone does not load it.
    keep_only(&[CAP_BPF]);
    let error = unloaded.program_mut("later").unwrap().load().unwrap_err();
    assert!(matches!(error, ProgramError::LoadError(_)));
    let text = error.to_string();
    assert!(
        text.contains("\"later\"") && text.contains("CAP_NET_ADMIN"),
        "{text}"
    );

    keep_only(&[]);
    let error = EbpfLoader::new()
        .load_spec(spec(vec![map], Vec::new()))
        .unwrap_err();
    assert!(
        matches!(&error, EbpfError::MapError(MapError::CreateError { .. })),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        [
            "\"M\"",
            "EPERM",
            "CAP_BPF",
            "root",
            "unprivileged_bpf_disabled"
        ]
        .iter()
        .all(|word| text.contains(word)),
        "{text}"
    );
    let text = unloaded
        .program_mut("later")
        .unwrap()
        .load()
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("\"later\"") && text.contains("CAP_BPF"),
        "{text}"
    );
    // Making a link takes no more than the program's descriptor (before Linux 5.15 and where bpf(2)
    // is closed to other users, CAP_BPF), but netlink does.
    if !hachi_test::kernel_is_older_than("5.15") {
        loaded
            .attach("lo", XdpFlags::SKB_MODE)
            .map(|id| loaded.detach(id))
            .unwrap()
            .unwrap();
    }
    let text = loaded
        .attach("lo", XdpFlags::REPLACE)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("\"pass\"") && text.contains("CAP_NET_ADMIN"),
        "{text}"
    );
    let text = hachi::maps::loaded_maps()
        .next()
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(text.contains("CAP_SYS_ADMIN"), "{text}");
    // Neither does opening a pin, beyond the right to the file.
    if !hachi_test::kernel_is_older_than("5.15") {
        assert_eq!(MapData::from_pin(bpffs.join("M")).unwrap().name(), "M");
    }
}

const CAP_PERFMON: u32 = Capability::Perfmon as u32;

/// Runs `work` in a thread with only these capabilities.
fn with_only(capabilities: &[u32], work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            keep_only(capabilities);
            work();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// What the error says if `name` cannot be loaded.
fn refusal(ebpf: &mut hachi::Ebpf, name: &str) -> String {
    let error = ebpf.program_mut(name).unwrap().load().unwrap_err();
    assert!(matches!(error, ProgramError::LoadError(_)), "{error}");
    error.to_string()
}

#[test]
fn bpf_alone_is_enough_for_maps_and_filters() {
    require_bpf!();
    if !is_root() {
        hachi_test::skip!("needs capabilities to give up");
    }
    with_only(&[CAP_BPF], || {
        // With types, constants, and maps of a kind that is not for everybody.
        let mut object = support::with_global("SEVEN", 7);
        let with_function = support::tracing::with_function("unused", "inner");
        let mut types = BtfBuilder::from_btf(&with_function.types().unwrap()).unwrap();
        let number = types.add(Type::Int(Int::unsigned("unsigned int", 4)));
        object.btf = support::types(&types);
        let mut map = MapSpec::new("HASH", MapType::Hash, 4, 4, 8);
        (map.btf_key_type_id, map.btf_value_type_id) = (number, number);
        object.maps.push(map);
        object
            .maps
            .push(MapSpec::new("RING", MapType::Ringbuf, 0, 0, 4096));
        let (filter, _) = hachi::obj::sections::lookup("socket").unwrap();
        let program = &mut object.programs[0];
        program.section = "socket".to_owned();
        program.section_def = Some(filter);
        program.program_type = filter.program_type;
        program.attach_type = filter.attach_type;
        let mut ebpf = load(object);
        assert!(ebpf.btf_problem().is_none());
        let filter: &mut SocketFilter = ebpf.program_mut("reader").unwrap().try_into().unwrap();
        filter.load().unwrap();
        let options = TestRunOptions::new().data(&[0; 64]);
        assert_eq!(filter.test_run(&options).unwrap().return_value, 7);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        filter.attach(&socket).unwrap();
        // Its types are known, though ids of types would need CAP_SYS_ADMIN.
        let wrong = HashMap::<_, u32, [u16; 2]>::try_from(ebpf.map("HASH").unwrap());
        assert!(matches!(wrong, Err(MapError::TypeMismatch { .. })));
        let mut map: HashMap<_, u32, u32> = ebpf.map_mut("HASH").unwrap().try_into().unwrap();
        map.insert(1, 2, 0).unwrap();
        drop(RingBuf::try_from(ebpf.take_map("RING").unwrap()).unwrap());

        let mut tracing = load(watching(vec![observer(
            "tp",
            "tp_btf/sys_enter",
            &[],
            None,
        )]));
        let text = refusal(&mut tracing, "tp");
        assert!(text.contains("CAP_PERFMON"), "{text}");
    });
}

#[test]
fn perfmon_is_for_tracing() {
    require_bpf!();
    if !is_root() {
        hachi_test::skip!("needs capabilities to give up");
    }
    with_only(&[CAP_BPF, CAP_PERFMON], || {
        // The kernel's types come from a file; only ids of theirs would need CAP_SYS_ADMIN.
        const FIELDS: &[u8] = include_bytes!("../../../tests/objects/core/fields.bpfel.o");
        if cfg!(target_endian = "little") {
            let mut ebpf = hachi::Ebpf::load(FIELDS).unwrap();
            ebpf.program_mut("probed").unwrap().load().unwrap();
        }
        let mut ebpf = load(watching(vec![
            observer("tp", "tp_btf/sys_enter", &[], None),
            observer("raw", "raw_tp/sys_enter", &[], None),
            observer("u", "uprobe", &[], None),
        ]));
        let program: &mut BtfTracePoint = ebpf.program_mut("tp").unwrap().try_into().unwrap();
        program.load_by_section().unwrap();
        program.attach().unwrap();
        let program: &mut RawTracePoint = ebpf.program_mut("raw").unwrap().try_into().unwrap();
        program.load().unwrap();
        program.attach("sys_enter").unwrap();
        // By a perf event, some kernels want more; by a link none does.
        let this = std::env::current_exe().unwrap();
        let program: &mut UProbe = ebpf.program_mut("u").unwrap().try_into().unwrap();
        program.load().unwrap();
        if let Err(error) = program.attach("hachi_privileged_probe", &this, None, None) {
            assert!(error.to_string().contains("CAP_SYS_ADMIN"), "{error}");
        }
        if features::UPROBE_MULTI.is_supported() {
            let mut ebpf = load(watching(vec![observer("multi", "uprobe.multi", &[], None)]));
            let program: &mut UProbeMulti = ebpf.program_mut("multi").unwrap().try_into().unwrap();
            program.load().unwrap();
            program.attach("hachi_privileged_*", this, None).unwrap();
            hachi_privileged_probe();
            assert!(support::tracing::seen(&ebpf).0 > 0);
        }
        // That it does not exist is found out without rights over modules.
        let mut nothing = load(watching(vec![observer("no", "tp_btf/nothing", &[], None)]));
        let error = nothing.program_mut("no").unwrap().load().unwrap_err();
        let problem = match &error {
            ProgramError::Unloadable { problem, .. } => Some(problem),
            _ => None,
        };
        assert!(
            matches!(
                problem,
                Some(Unloadable::Target(TargetProblem::Missing { .. }))
            ),
            "{error}"
        );

        let text = refusal(&mut load(one("pass", 2)), "pass");
        assert!(text.contains("this process lacks CAP_NET_ADMIN"), "{text}");
    });
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_privileged_probe() {
    std::hint::black_box(());
}
