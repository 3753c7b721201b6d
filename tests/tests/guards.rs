//! What the kernel lends to programs and takes back, and its functions for text.

use hachi::Ebpf;
use hachi::maps::Array;
use hachi::programs::{BtfTracePoint, TestRunOptions};
use hachi_test::{require_bpf, require_kernel};
use hachi_tests::{fixture, fixture_with, load_all};
use std::path::Path;

const EFAULT: u64 = -14_i64 as u64;
const ERANGE: u64 = -34_i64 as u64;
const EDEADLK: i32 = -35;

fn check(object: &Path) {
    let mut ebpf = load_all(object);
    let seen = |ebpf: &Ebpf, index: u32| {
        let map = Array::<_, u64>::try_from(ebpf.map("SEEN").unwrap()).unwrap();
        map.get(&index, 0).unwrap()
    };
    let packet = [0; 64];
    let run = |ebpf: &Ebpf, name: &str| {
        let options = TestRunOptions::new().data(&packet);
        let program = ebpf.program(name).unwrap();
        program.test_run(&options).unwrap().return_value as i32
    };

    assert_eq!(run(&ebpf, "locks"), 1 | 64 << 8);
    assert_eq!(run(&ebpf, "locks"), 2 | 128 << 8);
    assert_eq!(run(&ebpf, "locks_itself"), EDEADLK);
    // It was given back all the same.
    assert_eq!(run(&ebpf, "locks"), 3 | 192 << 8);

    assert_eq!(run(&ebpf, "texts"), 0);
    let name = std::fs::read("/proc/thread-self/comm").unwrap();
    let length = name.trim_ascii_end().len() as u64;
    assert_eq!([10, 11].map(|index| seen(&ebpf, index)), [length; 2]);
    let orders = [12, 13, 14].map(|index| seen(&ebpf, index) as i64);
    assert_eq!(orders, [1, -1, 0]);
    let found = [15, 16, 17, 18, 19, 20, 21, 22].map(|index| seen(&ebpf, index));
    assert_eq!(found, [4, 0, 1, 3, 99, 4, 3, 0]);
    assert!([EFAULT, ERANGE].contains(&seen(&ebpf, 23)));

    let program: &mut BtfTracePoint = ebpf.program_mut("cpus").unwrap().try_into().unwrap();
    let link = program.attach().unwrap();
    for _ in 0..100 {
        std::thread::yield_now();
    }
    program.detach(link).unwrap();
    // All the CPUs that may ever be there.
    let possible = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap();
    let last = possible.trim().rsplit(['-', ',']).next().unwrap();
    let count = last.parse::<u64>().unwrap() + 1;
    let facts = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(|index| seen(&ebpf, index));
    let is_full = u64::from(count == 0);
    assert_eq!(facts, [1, 1, 1, count, 1, 0, count - 1, count - 1, is_full]);
    assert!(seen(&ebpf, 0) < count);
    assert_eq!(seen(&ebpf, 24), 1);
}

#[test]
fn masks_locks_and_texts() {
    require_bpf!();
    require_kernel!("6.18", "bpf_strcasecmp");
    check(&fixture("guards"));
    check(&fixture_with("guards", &["--debug"]));
}
