//! Ciphers and connections of the kernel, used by programs for packets.

use hachi::Ebpf;
use hachi::maps::Array;
use hachi::programs::{TestRun, TestRunOptions};
use hachi_test::{Netns, require_bpf, require_kernel, skip};
use hachi_tests::{fixture, fixture_with};
use std::path::Path;

const ENOENT: i64 = -2;
const EPROTO: i64 = -71;
const EOPNOTSUPP: i64 = -95;

fn load(object: &Path, programs: &[&str]) -> Ebpf {
    let mut ebpf = Ebpf::load_file(object).unwrap();
    for name in programs {
        let program = ebpf.program_mut(name).unwrap();
        program
            .load()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    ebpf
}

fn run(ebpf: &Ebpf, name: &str, data: &[u8]) -> TestRun {
    let options = TestRunOptions::new().data(data).data_out(256);
    ebpf.program(name).unwrap().test_run(&options).unwrap()
}

fn encrypt(object: &Path) {
    let ebpf = load(object, &["make", "encrypt", "decrypt"]);
    let packet: Vec<u8> = (0..64).collect();
    assert_eq!(run(&ebpf, "encrypt", &packet).return_value as i32, -1001);
    // The key of the standard's own example (FIPS 197, appendix C.1).
    let key: Vec<u8> = (0..16).collect();
    let options = TestRunOptions::new().context(&key);
    let made = ebpf.program("make").unwrap().test_run(&options).unwrap();
    if let error @ (ENOENT | EOPNOTSUPP) = i64::from(made.return_value as i32) {
        skip!("the kernel has no cipher `ecb(aes)` for programs: error {error}");
    }
    assert_eq!(made.return_value as i32, 0);

    let mut plain = packet.clone();
    for (index, byte) in plain[16..32].iter_mut().enumerate() {
        *byte = 0x11 * index as u8;
    }
    let hidden = run(&ebpf, "encrypt", &plain);
    assert_eq!(hidden.return_value as i32, 0);
    let mut expected = plain.clone();
    expected[16..32].copy_from_slice(&[
        0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5,
        0x5a,
    ]);
    assert_eq!(hidden.data, expected);
    let shown = run(&ebpf, "decrypt", &hidden.data);
    assert_eq!((shown.return_value, shown.data), (0, plain));
}

#[test]
fn packets_are_encrypted_and_decrypted() {
    require_bpf!();
    require_kernel!("6.11", "ciphers without an initialisation vector");
    encrypt(&fixture("network_objects"));
    encrypt(&fixture_with("network_objects", &["--debug"]));
}

/// The first block of the standard's own example (NIST SP 800-38A, F.2.1).
fn encrypt_chained(object: &Path) {
    let mut ebpf = load(
        object,
        &["make_chained", "encrypt_chained", "decrypt_chained"],
    );
    let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
    let options = TestRunOptions::new().context(&key);
    let made = ebpf.program("make_chained").unwrap();
    let made = made.test_run(&options).unwrap();
    if let error @ (ENOENT | EOPNOTSUPP) = i64::from(made.return_value as i32) {
        skip!("the kernel has no cipher `cbc(aes)` for programs: error {error}");
    }
    assert_eq!(made.return_value as i32, 0);
    let mut vector = Array::<_, [u8; 16]>::try_from(ebpf.take_map("VECTOR").unwrap()).unwrap();
    let first = std::array::from_fn(|index| index as u8);
    let secret = 0x7649_abac_8119_b246_cee9_8e9b_12e9_197d_u128.to_be_bytes();
    let mut plain = [0; 64];
    plain[16..32].copy_from_slice(&0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a_u128.to_be_bytes());

    vector.set(0, first, 0).unwrap();
    let hidden = run(&ebpf, "encrypt_chained", &plain);
    assert_eq!(hidden.return_value as i32, 0);
    assert_eq!(hidden.data[16..32], secret);
    // What the next block goes on with.
    assert_eq!(vector.get(&0, 0).unwrap(), secret);

    vector.set(0, first, 0).unwrap();
    let shown = run(&ebpf, "decrypt_chained", &hidden.data);
    assert_eq!((shown.return_value, shown.data), (0, plain.to_vec()));
}

#[test]
fn packets_are_encrypted_with_an_initialisation_vector() {
    require_bpf!();
    require_kernel!("6.11", "ciphers for programs");
    encrypt_chained(&fixture("network_objects"));
    encrypt_chained(&fixture_with("network_objects", &["--debug"]));
}

/// Whether the kernel, or a module that is loaded, has the functions.
fn has_connections() -> bool {
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap();
    symbols.contains(" bpf_xdp_ct_alloc")
}

fn connect(object: &Path, port: u8) {
    let ebpf = load(object, &["connect", "find"]);
    let mut packet = [0; 64];
    packet[0] = port;
    let seen = |index: u32| {
        let map = Array::<_, u64>::try_from(ebpf.map("SEEN").unwrap()).unwrap();
        map.get(&index, 0).unwrap() as i64
    };
    assert_eq!(
        run(&ebpf, "find", &packet).return_value as i32 as i64,
        ENOENT
    );
    assert_eq!(run(&ebpf, "connect", &packet).return_value as i32, 2);
    assert_eq!([0, 1, 2, 3].map(seen), [ENOENT, EPROTO, 8, 2]);
    assert_eq!(run(&ebpf, "find", &packet).return_value, 1);
}

#[test]
fn connections_are_made_and_found() {
    require_bpf!();
    require_kernel!("6.1", "making connections");
    if !has_connections() {
        skip!("the kernel has no connections: nf_conntrack is a module that is not loaded");
    }
    // Nobody else's connections.
    let netns = Netns::new().unwrap();
    netns.run(|| {
        connect(&fixture("network_objects"), 1);
        connect(&fixture_with("network_objects", &["--debug"]), 2);
    });
}
