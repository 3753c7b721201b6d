//! The virtual machine gives what the kernel gives, interpreted and compiled: verdict, packet and
//! maps of each program that `BPF_PROG_TEST_RUN` can run.

use std::sync::LazyLock;
use std::time::Duration;

use hachi::Ebpf;
use hachi::maps::MapData;
use hachi::programs::{ProgramType, TestRunOptions};
use hachi_obj::{DataKind, MapType, OwnedBtf, Spec};
use hachi_test::require_bpf;
use hachi_tests::fixture;
use hachi_vm::{Config, Engine, Input, Vm};

/// 02:05:…:02 from 02:…:01; IPv4 from 10.0.0.1 to 10.0.0.2, with this protocol and payload.
fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![2, 5, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    packet.extend(u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
    packet.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(payload);
    packet
}

/// IPv6 from 2001:db8::1 to 2001:db8::2, with this protocol and payload.
fn ipv6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![
        2, 5, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0,
    ];
    packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet.extend([protocol, 64]);
    for last in [1, 2] {
        packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(payload);
    packet
}

fn samples() -> Vec<Vec<u8>> {
    let mut tcp = [1234_u16.to_be_bytes(), 80_u16.to_be_bytes()].concat();
    tcp.extend([0, 0, 0, 1, 0, 0, 0, 2, 8 << 4, 2, 1, 0, 0, 0, 0, 0]);
    tcp.extend([1, 254, 5, 9, 9, 9, 2, 4, 5, 0x78, 1, 0]);
    let mut udp = [5353_u16.to_be_bytes(), 53_u16.to_be_bytes()].concat();
    udp.extend([0, 38, 0, 0, 0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    udp.extend(b"\x03www\x05hachi\x02rs\0\0\x01\0\x01");
    let mut short = ipv4(6, &tcp);
    short.truncate(30);
    let mut vlan = ipv4(17, &udp);
    vlan.splice(12..12, [0x81, 0, 0, 7]);
    let random = (0..200_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8);
    vec![
        ipv4(6, &tcp),
        ipv4(17, &udp),
        ipv6(6, &tcp),
        ipv6(58, &[128, 0, 0, 0, 0, 1, 0, 1]),
        short,
        vlan,
        random.collect(),
        vec![0; 64],
    ]
}

/// What both must agree on.
#[derive(Debug, PartialEq)]
struct Seen {
    verdict: u32,
    packet: Vec<u8>,
}

/// Programs whose result depends on what the two machines cannot share: chance.
const ALONE: &[(&str, &str)] = &[("loops", "patience")];

/// The types of this very kernel, as the loader uses them.
fn kernel_types() -> OwnedBtf {
    static TYPES: LazyLock<OwnedBtf> = LazyLock::new(|| {
        let bytes = std::fs::read("/sys/kernel/btf/vmlinux").unwrap();
        OwnedBtf::parse(bytes).unwrap()
    });
    TYPES.clone()
}

/// Longer than any timer that a fixture starts.
const TIMERS: Duration = Duration::from_millis(1);

/// Types of programs that `BPF_PROG_TEST_RUN` gives a packet.
const TYPES: &[ProgramType] = &[
    ProgramType::Xdp,
    ProgramType::SchedCls,
    ProgramType::CgroupSkb,
    ProgramType::SocketFilter,
    ProgramType::FlowDissector,
];

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// What the kernel gives back of the packet: zeros where the program did not see its Ethernet
/// header; the flow keys, for a flow dissector.
fn as_kernel(program_type: ProgramType, metadata: Vec<u8>, bytes: Vec<u8>) -> Vec<u8> {
    match program_type {
        ProgramType::CgroupSkb | ProgramType::SocketFilter => [vec![0; ETHERNET], bytes].concat(),
        // The kernel counts what is before the packet as part of it.
        _ => [metadata, bytes].concat(),
    }
}

/// Runs all programs of a fixture that take packets, in the order of the object, and compares. The
/// number of runs that were compared.
fn compare(name: &str) -> usize {
    let object = std::fs::read(fixture(name)).unwrap();
    let mut spec = Spec::parse(&object).unwrap();
    spec.programs.retain(|program| {
        TYPES.contains(&program.program_type) && !ALONE.contains(&(name, &program.name))
    });
    let mut ebpf = Ebpf::load(&object).unwrap();
    let mut config = Config::default();
    config.types = Some(kernel_types());
    let mut vm = Vm::new(&spec, &config).unwrap();
    // Both run for the same thread.
    let comm = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    vm.world_mut().task.comm = comm.trim_end().to_owned();
    config.engine = Engine::Jit;
    let mut compiled = Vm::new(&spec, &config).unwrap();
    compiled.world_mut().task.comm = vm.world().task.comm.clone();
    let mut compared = 0;
    for program in &spec.programs {
        let Ok(loaded) = ebpf.program_mut(&program.name) else {
            continue;
        };
        // What this kernel refuses is for the tests of that program.
        if loaded.load().is_err() {
            continue;
        }
        for packet in samples() {
            let loaded = ebpf.program(&program.name).unwrap();
            let options = TestRunOptions::new().data(&packet).data_out(4096);
            // Some packets no driver would hand over.
            let Ok(kernel) = loaded.test_run(&options) else {
                continue;
            };
            // Linux ≥ 7 makes timers with `kmalloc_nolock`, which has no memory to give on the
            // guests' processors (without cmpxchg16b): the program ends as it does without a timer.
            if hachi_test::in_guest() && program.name == "timers" && kernel.return_value == 0 {
                continue;
            }
            let own = vm.run(&program.name, &Input::new(&packet));
            let as_compiled = compiled.run(&program.name, &Input::new(&packet));
            assert_eq!(as_compiled, own, "{name}, {}, compiled", program.name);
            let own = own.unwrap_or_else(|stopped| panic!("{name}: {}", stopped.diagnostic()));
            let kernel = Seen {
                verdict: kernel.return_value,
                packet: kernel.data,
            };
            let own = Seen {
                verdict: own.result,
                packet: as_kernel(program.program_type, own.metadata, own.bytes),
            };
            assert_eq!(own, kernel, "{name}, {}: {packet:x?}", program.name);
            // Timers of both expire.
            std::thread::sleep(TIMERS);
            vm.advance(TIMERS.as_nanos() as u64).unwrap();
            compiled.advance(TIMERS.as_nanos() as u64).unwrap();
            compared += 1;
        }
    }
    compare_maps(name, &spec, &vm, &ebpf);
    for map in &spec.maps {
        let entries = |vm: &Vm| -> Vec<_> {
            let keys = vm.keys(&map.name).unwrap().into_iter();
            keys.map(|key| (vm.lookup(&map.name, &key).unwrap(), key))
                .collect()
        };
        assert_eq!(entries(&compiled), entries(&vm), "{name}, map {}", map.name);
    }
    compared
}

/// All that the maps hold that can be listed.
fn compare_maps(name: &str, spec: &Spec, vm: &Vm, ebpf: &Ebpf) {
    for map in &spec.maps {
        let listed = matches!(
            map.kind,
            MapType::Hash | MapType::Array | MapType::LruHash | MapType::LpmTrie
        );
        if !listed || matches!(map.data, Some(DataKind::Rodata | DataKind::Kconfig)) {
            continue;
        }
        let Ok(loaded) = ebpf.map(&map.name) else {
            continue;
        };
        let data: &MapData = loaded.data();
        let mut kernel: Vec<(Vec<u8>, Vec<u8>)> =
            data.iter_bytes().collect::<Result<_, _>>().unwrap();
        let mut own = Vec::new();
        for key in vm.keys(&map.name).unwrap() {
            let value = vm.lookup(&map.name, &key).unwrap().remove(0);
            own.push((key, value));
        }
        kernel.sort();
        own.sort();
        assert_eq!(own, kernel, "{name}, map {}", map.name);
    }
}

macro_rules! fixtures {
    ($($fixture:ident)*) => {
        $(
            #[test]
            fn $fixture() {
                require_bpf!();
                if hachi_test::kernel_is_older_than("6.12") {
                    hachi_test::skip!("the virtual machine is as kernels are since Linux 6.12");
                }
                let compared = compare(stringify!($fixture));
                assert!(compared > 0, "nothing was compared");
            }
        )*
    };
}

fixtures! {
    packets network loops proofs nested maps collections drops logs atomics bare dynptrs
    guards linked_one xdp
}
