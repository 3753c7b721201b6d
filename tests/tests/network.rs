//! Programs for packets and sockets: contexts of all kinds.

use hachi::maps::Array;
use hachi::programs::{TestRun, TestRunOptions};
use hachi_test::{kernel_is_older_than, require_bpf};
use hachi_tests::{fixture, fixture_with, load_all};
use std::path::Path;

/// Ethernet, IPv4 and UDP headers to port 7, and some text.
fn datagram() -> Vec<u8> {
    let mut packet = vec![2; 12];
    packet.extend([0x08, 0x00]);
    packet.extend([
        0x45, 0, 0, 38, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ]);
    packet.extend([0x10, 0, 0, 7, 0, 18, 0x12, 0x34]);
    packet.extend(b"some text.");
    packet
}

fn check(object: &Path) {
    let ebpf = load_all(object);
    let run = |name: &str, data: &[u8]| -> TestRun {
        let options = TestRunOptions::new().data(data).data_out(256);
        ebpf.program(name).unwrap().test_run(&options).unwrap()
    };
    let packet = datagram();
    let seen = |index: u32| {
        let map = Array::<_, u64>::try_from(ebpf.map("SEEN").unwrap()).unwrap();
        map.get(&index, 0).unwrap()
    };

    let out = run("tc", &packet).data;
    let mut expected = packet.clone();
    // 7 became 9, and the checksum two less.
    expected[37] = 9;
    expected[41] = 0x32;
    assert_eq!(out, expected);
    assert_eq!([0, 1, 2].map(seen), [0x800, 52, 38]);
    assert_eq!(run("tcx", &packet).return_value as i32, -1);

    // A test run shows these packets from the IP header on.
    assert_eq!(run("filter", &packet).return_value, 38);
    let mut other = packet.clone();
    other[23] = 6;
    assert_eq!(run("filter", &other).return_value, 0);

    assert_eq!(run("cgroup_packet", &packet).return_value, 1);
    // Test runs of older kernels do not show such programs the packet's bytes; real packets do.
    if !kernel_is_older_than("6.18") {
        other[23] = 1;
        assert_eq!(run("cgroup_packet", &other).return_value, 0);
    }

    // Until 6.1 they are tested by themselves; what they return then is theirs.
    let unheard = u32::from(kernel_is_older_than("6.1"));
    assert_eq!(run("dissector", &packet).return_value, unheard);
    assert_eq!(run("route_in", &packet).return_value, 0);
    assert_eq!(run("route_xmit", &packet).return_value, 0);
}

#[test]
fn packets() {
    require_bpf!();
    check(&fixture("network"));
    check(&fixture_with("network", &["--debug"]));
}
