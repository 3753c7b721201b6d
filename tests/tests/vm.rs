//! The virtual machine gives what the kernel gives: verdict, packet and maps of each program that
//! `BPF_PROG_TEST_RUN` can run.

use hachi::Ebpf;
use hachi::maps::MapData;
use hachi::programs::{ProgramType, TestRunOptions};
use hachi_obj::{DataKind, MapType, Spec};
use hachi_test::require_bpf;
use hachi_tests::fixture;
use hachi_vm::{Config, Input, Vm};

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

/// Programs that the virtual machine does not run yet, and what it lacks.
const LACKING: &[(&str, &str, &str)] = &[
    ("collections", "values", "bpf_ringbuf_reserve_dynptr"),
    ("nested", "timers", "bpf_timer_init"),
    ("network", "tcx", "bpf_skb_vlan_push"),
];

/// Runs all programs of a fixture that take packets, in the order of the object, and compares. The
/// number of runs that were compared.
fn compare(name: &str) -> usize {
    let object = std::fs::read(fixture(name)).unwrap();
    let mut spec = Spec::parse(&object).unwrap();
    spec.programs.retain(|program| {
        matches!(
            program.program_type,
            ProgramType::Xdp | ProgramType::SchedCls
        ) && !ALONE.contains(&(name, &program.name))
    });
    let mut ebpf = Ebpf::load(&object).unwrap();
    let mut vm = Vm::new(&spec, &Config::default()).unwrap();
    let mut compared = 0;
    for program in &spec.programs {
        let lacking = LACKING
            .iter()
            .find(|of| (of.0, of.1) == (name, &program.name));
        if let Some((.., helper)) = lacking {
            // What it does until then stays out of the maps.
            let stopped = vm
                .clone()
                .run(&program.name, &Input::new(&samples()[0]))
                .unwrap_err();
            assert!(stopped.to_string().contains(helper), "{stopped}");
            continue;
        }
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
            let own = vm.run(&program.name, &Input::new(&packet));
            let own = own.unwrap_or_else(|stopped| panic!("{name}: {}", stopped.diagnostic()));
            let kernel = Seen {
                verdict: kernel.return_value,
                packet: kernel.data,
            };
            let own = Seen {
                verdict: own.result,
                // The kernel counts what is before the packet as part of it.
                packet: [own.metadata, own.bytes].concat(),
            };
            assert_eq!(own, kernel, "{name}, {}: {packet:x?}", program.name);
            compared += 1;
        }
    }
    compare_maps(name, &spec, &vm, &ebpf);
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

fixtures! { packets network loops proofs nested maps collections drops logs atomics }
