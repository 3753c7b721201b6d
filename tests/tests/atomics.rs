//! Atomic operations of programs, on values of maps and on globals.

use hachi::Ebpf;
use hachi::maps::{Array, HashMap};
use hachi::programs::{TestRunOptions, Xdp};
use hachi_test::{require_bpf, require_host, require_kernel};
use hachi_tests::{fixture, fixture_with, hachi, success};
use std::path::Path;

fn check(object: &Path) {
    let mut ebpf = Ebpf::load_file(object).unwrap();
    let program: &mut Xdp = ebpf.program_mut("count").unwrap().try_into().unwrap();
    program.load().unwrap();
    let options = TestRunOptions::new().data(&[0; 64]).repeat(3);
    assert_eq!(program.test_run(&options).unwrap().return_value, 2);

    let by_key = HashMap::<_, u32, u64>::try_from(ebpf.map("BY_KEY").unwrap()).unwrap();
    assert_eq!(by_key.get(&7, 0).unwrap(), 103);
    let wide = Array::<_, u64>::try_from(ebpf.map("WIDE").unwrap()).unwrap();
    let values: Vec<u64> = (0..10).map(|i| wide.get(&i, 0).unwrap()).collect();
    let half = (1 << 32 | 6) ^ 2;
    assert_eq!(values, [9, 0xf0, 0xff, 0x3c, 0xc3, 1 << 40, 9, half, 5, 0]);
    let narrow = Array::<_, u32>::try_from(ebpf.map("NARROW").unwrap()).unwrap();
    let values: Vec<u32> = (0..5).map(|i| narrow.get(&i, 0).unwrap()).collect();
    assert_eq!(values, [78, u32::MAX, 0x102, 77, 2]);
}

#[test]
fn every_operation() {
    require_bpf!();
    require_kernel!("5.12", "an atomic operation with a result");
    check(&fixture("atomics"));
    check(&fixture_with("atomics", &["--debug"]));
}

/// Of the instruction set v4, loads and stores with an order are instructions.
#[test]
fn ordered_accesses() {
    require_bpf!();
    require_kernel!("6.15", "a load that acquires");
    check(&fixture_with("atomics", &["--cpu", "v4"]));
}

#[test]
fn instructions_of_ordered_accesses() {
    require_host!("the `hachi` command");
    const ORDERED: [&str; 2] = ["load_acquire(", "store_release("];
    let code = success(hachi(["dis"]).arg(fixture("atomics")));
    assert!(
        !ORDERED.iter().any(|wanted| code.contains(wanted)),
        "{code}"
    );
    let code = success(hachi(["dis"]).arg(fixture_with("atomics", &["--cpu", "v4"])));
    for wanted in ORDERED {
        assert!(code.contains(wanted), "no {wanted} in\n{code}");
    }
}
