//! Memory that programs and user space share, with pointers in it.

use hachi::maps::{Arena, MapData};
use hachi::programs::TestRunOptions;
use hachi_test::{cpu_lacks_cmpxchg16b, require_bpf, require_kernel, skip};
use hachi_tests::{fixture, fixture_with, load_all};
use std::path::Path;

/// The place of a node's value and of the next node in it.
const VALUE: usize = 0;
const NEXT: usize = 8;

fn check(object: &Path) {
    let ebpf = load_all(object);
    let run = |name: &str, argument: u64| {
        let argument = argument.to_ne_bytes();
        let options = TestRunOptions::new().context(&argument);
        let result = ebpf.program(name).unwrap().test_run(&options).unwrap();
        assert_eq!(result.return_value, 0, "{name}");
        ebpf.global::<u64>("FOUND").unwrap().get().unwrap()
    };
    let head = run("make", 0);
    let memory = Arena::<&MapData>::try_from(ebpf.map("MEMORY").unwrap()).unwrap();
    let base = memory.as_ptr() as u64;
    let word = |node: u64, at: usize| memory.get::<u64>((node - base) as usize + at).unwrap();

    // Its pointers are ours.
    let (mut node, mut values) = (head, Vec::new());
    while node != 0 {
        values.push(word(node, VALUE));
        node = word(node, NEXT);
    }
    assert_eq!(values, [4, 3, 2, 1]);
    assert_eq!(run("sum", head), 10);

    // And ours are its: a node before the others, in a page that is ours.
    let mine = 8 * 4096;
    memory.set(mine + VALUE, &100_u64).unwrap();
    memory.set(mine + NEXT, &head).unwrap();
    assert_eq!(run("sum", base + mine as u64), 110);
    assert_eq!(run("sum", 0), 0);
    run("beyond", head);
}

#[test]
fn a_list_that_both_sides_follow() {
    require_bpf!();
    require_kernel!("6.9", "an arena");
    if cpu_lacks_cmpxchg16b() {
        skip!("this CPU has no cmpxchg16b, and this kernel no other way to allocate arenas");
    }
    check(&fixture("arena"));
    check(&fixture_with("arena", &["--debug"]));
}
