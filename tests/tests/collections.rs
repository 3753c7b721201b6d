//! Maps without values in place, or with a use of their own.

use hachi::maps::Array;
use hachi::programs::TestRunOptions;
use hachi_test::{require_bpf, require_kernel};
use hachi_tests::{fixture, fixture_with, load_all};
use std::path::Path;

fn check(object: &Path) {
    let ebpf = load_all(object);
    let run = |name: &str| {
        let options = TestRunOptions::new().data(&[0; 64]);
        let program = ebpf.program(name).unwrap();
        program.test_run(&options).unwrap().return_value
    };
    assert_eq!(run("values"), 2);
    // There is no program to hand over to, no CPU to redirect to, and nobody listens.
    assert_eq!(run("handing_over"), 1);
    assert_eq!(run("redirecting"), 2);
    assert_eq!(run("sampling"), 2);
    let results = Array::<_, u64>::try_from(ebpf.map("RESULTS").unwrap()).unwrap();
    let results: Vec<u64> = (0..14).map(|i| results.get(&i, 0).unwrap()).collect();
    assert_eq!(
        results,
        [
            2, 2, // the queue: 1 made room for 4
            1, 3, // the stack: full, and the last first
            1, 0, // the Bloom filter
            42, 1, // the hash table with a value for each CPU
            5, // the prefixes
            1, 1, // the ring buffer: written, and refused beyond what was reserved
            0, 1, // the commands of user space: none
            1, // before handing over
        ]
    );
}

#[test]
fn all_kinds() {
    require_bpf!();
    require_kernel!("5.16", "the Bloom filter");
    check(&fixture("collections"));
    check(&fixture_with("collections", &["--debug"]));
}
