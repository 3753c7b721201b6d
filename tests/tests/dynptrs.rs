//! Packets and values of maps as the kernel's dynptrs.

use hachi::maps::Array;
use hachi::programs::{TestRun, TestRunOptions};
use hachi_test::{require_bpf, require_kernel};
use hachi_tests::{fixture, fixture_with, load_all};
use std::path::Path;

const EINVAL: u64 = -22_i64 as u64;
const ERANGE: u64 = -34_i64 as u64;
const E2BIG: u64 = -7_i64 as u64;

fn check(object: &Path) {
    let mut ebpf = load_all(object);
    let mut places = Array::<_, u32>::try_from(ebpf.map_mut("AT").unwrap()).unwrap();
    for (index, at) in [20, 40].into_iter().enumerate() {
        places.set(index as u32, at, 0).unwrap();
    }
    let packet: Vec<u8> = (0..200).collect();
    let run = |name: &str, data: &[u8]| -> TestRun {
        let options = TestRunOptions::new().data(data).data_out(256);
        ebpf.program(name).unwrap().test_run(&options).unwrap()
    };
    let seen = |index: u32| {
        let map = Array::<_, u64>::try_from(ebpf.map("SEEN").unwrap()).unwrap();
        map.get(&index, 0).unwrap()
    };
    let word = |bytes: [u8; 2]| u64::from(u16::from_ne_bytes(bytes));

    let ran = run("in_xdp", &packet);
    assert_eq!(ran.return_value, 2);
    assert_eq!([0, 1].map(seen), [200, 0]);
    assert_eq!(seen(2), word([20, 21]));
    assert!([EINVAL, E2BIG].contains(&seen(3)), "{}", seen(3) as i64);
    assert_eq!([4, 5].map(seen), [0x2829_2a2b, 40]);
    let mut expected = packet.clone();
    expected[20..22].copy_from_slice(&[0x12, 0x34]);
    expected[40..44].reverse();
    assert_eq!(ran.data, expected);

    let ran = run("in_tc", &packet);
    assert_eq!(ran.return_value, 0, "{}", ran.return_value as i32);
    let bytes = packet[20..28].try_into().unwrap();
    assert_eq!([6, 7].map(seen), [8, u64::from_ne_bytes(bytes)]);
    assert!([EINVAL, E2BIG].contains(&seen(8)), "{}", seen(8) as i64);
    assert_eq!([9, 10].map(seen), [7, ERANGE]);
    let text = Array::<_, [u8; 128]>::try_from(ebpf.map("TEXT").unwrap()).unwrap();
    let text = text.get(&0, 0).unwrap();
    assert_eq!(text[..11], [&b"abc"[..], &bytes[..]].concat());
    assert_eq!(text[11..], [0; 117]);
    let mut expected = packet.clone();
    expected[40..42].copy_from_slice(&7_u16.to_ne_bytes());
    assert_eq!(ran.data, expected);

    // A test run shows such programs the packet from the IP header on.
    assert_eq!(run("in_filter", &packet).return_value, 186);
    assert_eq!([11, 12].map(seen), [1, EINVAL]);
}

#[test]
fn packets_and_values_of_maps() {
    require_bpf!();
    require_kernel!("6.16", "bpf_dynptr_copy");
    check(&fixture("dynptrs"));
    check(&fixture_with("dynptrs", &["--debug"]));
}
