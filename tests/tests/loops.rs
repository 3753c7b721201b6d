//! Loops, and functions that the kernel calls back.

use hachi::Ebpf;
use hachi::maps::{Array, HashMap};
use hachi::programs::{TestRunOptions, Xdp};
use hachi_test::{require_bpf, require_kernel};
use hachi_tests::{fixture, fixture_with, libbpf::Libbpf};
use std::path::Path;

/// Any packet will do.
const PACKET: [u8; 64] = [0; 64];

fn run(ebpf: &mut Ebpf, program: &str) {
    let program: &mut Xdp = ebpf.program_mut(program).unwrap().try_into().unwrap();
    if program.fd().is_err() {
        program.load().unwrap();
    }
    let options = TestRunOptions::new().data(&PACKET);
    assert_eq!(program.test_run(&options).unwrap().return_value, 2);
}

fn check(object: &Path) {
    let mut ebpf = Ebpf::load_file(object).unwrap();
    let result = |ebpf: &Ebpf, index: u32| {
        let map = Array::<_, u64>::try_from(ebpf.map("RESULTS").unwrap()).unwrap();
        map.get(&index, 0).unwrap()
    };
    let mut count = Array::<_, u32>::try_from(ebpf.map_mut("COUNT").unwrap()).unwrap();
    count.set(0, 10, 0).unwrap();
    run(&mut ebpf, "closure");
    assert_eq!([0, 1, 2].map(|i| result(&ebpf, i)), [45, 9, 10]);
    let mut count = Array::<_, u32>::try_from(ebpf.map_mut("COUNT").unwrap()).unwrap();
    count.set(0, 100_000, 0).unwrap();
    run(&mut ebpf, "closure");
    assert_eq!([0, 1, 2].map(|i| result(&ebpf, i)), [499_500, 999, 1000]);

    let mut ports = HashMap::<_, u32, u64>::try_from(ebpf.map_mut("PORTS").unwrap()).unwrap();
    for port in [22, 80, 443] {
        ports.insert(port, 1, 0).unwrap();
    }
    run(&mut ebpf, "entries");
    assert_eq!([3, 4].map(|i| result(&ebpf, i)), [545, 3]);
    let ports = HashMap::<_, u32, u64>::try_from(ebpf.map("PORTS").unwrap()).unwrap();
    assert_eq!(ports.get(&443, 0).unwrap(), 2);

    run(&mut ebpf, "patience");
    assert!(result(&ebpf, 5) >= 1);
    assert_eq!(result(&ebpf, 6), 1000);
}

#[test]
fn closures_and_patience() {
    require_bpf!();
    require_kernel!("6.9", "may_goto");
    check(&fixture("loops"));
    check(&fixture_with("loops", &["--debug"]));
}

/// `bpf_for!` is made of kernel functions.
#[test]
fn numbers_by_kernel_functions() {
    require_bpf!();
    require_kernel!("6.4", "an iterator over numbers");
    for options in [&[][..], &["--debug"]] {
        let object = fixture_with("kfuncs", options);
        let mut ebpf = Ebpf::load_file(&object).unwrap();
        let mut count = Array::<_, u32>::try_from(ebpf.map_mut("COUNT").unwrap()).unwrap();
        // The first multiple of 13.
        count.set(0, 12, 0).unwrap();
        run(&mut ebpf, "numbers");
        let results = Array::<_, u64>::try_from(ebpf.map("RESULTS").unwrap()).unwrap();
        assert_eq!(results.get(&0, 0).unwrap(), 13);
        // And as others load it.
        match Libbpf::open() {
            Some(library) => drop(library.load(&object).unwrap()),
            None => println!("libbpf is not installed"),
        }
    }
}
