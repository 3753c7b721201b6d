//! Objects that programs make, in lists and trees.

use hachi::maps::{Array, HashMap};
use hachi::programs::TestRunOptions;
use hachi_test::{require_bpf, require_kernel};
use hachi_tests::{fixture, fixture_with, load_all};
use std::path::Path;

fn check(object: &Path) {
    let mut ebpf = load_all(object);
    let mut trees = HashMap::<_, u32, [u8; 24]>::try_from(ebpf.map_mut("DEADLINES").unwrap());
    trees.as_mut().unwrap().insert(3, [0; 24], 0).unwrap();
    let run = |name: &str, first: u8, second: u8| {
        let mut packet = [0; 64];
        packet[..2].copy_from_slice(&[first, second]);
        let options = TestRunOptions::new().data(&packet);
        let program = ebpf.program(name).unwrap();
        program.test_run(&options).unwrap().return_value
    };
    let seen = |index: u32| {
        let map = Array::<_, u64>::try_from(ebpf.map("SEEN").unwrap()).unwrap();
        map.get(&index, 0).unwrap()
    };

    assert_eq!(run("take", 0, 0), 2, "the list is empty at first");
    for number in [3, 5, 8] {
        assert_eq!(run("put", number, 0), 2);
        assert_eq!(seen(0), u64::from(number) + 1);
    }
    assert_eq!(run("take", 0, 0), 0);
    let kind = u64::from(u16::from_be_bytes(*b"ab"));
    assert_eq!([1, 2, 3].map(seen), [3, 9 << 16 | kind, 8]);
    // 8 and 5 are left, in this order.
    assert_eq!(run("take", 0, 0), 0);
    assert_eq!([1, 3].map(seen), [8, 5]);
    assert_eq!(run("take", 0, 0), 0);
    assert_eq!(seen(1), 5);
    assert_eq!(run("take", 0, 0), 2);

    assert_eq!(run("due", 255, 0), 1000, "the tree is empty at first");
    for (at, whose) in [(30, 1), (10, 2), (20, 3), (10, 4)] {
        assert_eq!(run("sort", at, whose), 2);
    }
    assert_eq!(run("due", 9, 0), 1000);
    let order = [15, 15, 15, 25, 255, 255].map(|now| run("due", now, 0));
    assert_eq!(order, [2, 4, 1000, 3, 1, 1000]);
}

#[test]
fn lists_and_trees() {
    require_bpf!();
    require_kernel!("6.6", "nodes of lists and trees as large as they are now");
    check(&fixture("objects"));
    check(&fixture_with("objects", &["--debug"]));
}
