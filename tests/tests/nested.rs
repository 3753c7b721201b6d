//! Maps in maps, locks and timers in values, variables shared with user space.

use hachi::maps::{Array, MapData};
use hachi::programs::TestRunOptions;
use hachi::{Ebpf, EbpfLoader};
use hachi_test::{require_bpf, require_kernel};
use hachi_tests::{fixture, fixture_with};
use std::path::Path;
use std::time::{Duration, Instant};

fn check(object: &Path) {
    let mut ebpf = EbpfLoader::new()
        .override_global("LIMIT", &7u32, true)
        .load_file(object)
        .unwrap();
    for (name, program) in ebpf.programs_mut() {
        program
            .load()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let run = |name: &str, repeat: u32| {
        let options = TestRunOptions::new().data(&[0; 64]).repeat(repeat);
        let program = ebpf.program(name).unwrap();
        program.test_run(&options).unwrap().return_value
    };
    // There are no maps in the maps yet.
    assert_eq!(run("inner_maps", 1), 1);

    assert_eq!(run("locks", 3), 2);
    assert_eq!(words(&ebpf, "PAIRS")[1..], [3, 6]);

    let timer = run("timers", 1);
    if timer == 2 || !hachi_test::cpu_lacks_cmpxchg16b() {
        assert_eq!(timer, 2);
        let deadline = Instant::now() + Duration::from_secs(10);
        while words(&ebpf, "TIMED")[0] != 1 {
            assert!(Instant::now() < deadline, "the timer did not expire");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    assert_eq!(run("variables", 2), 2);
}

/// The second element of an array of `Locked<Pair>` or `Timed`.
fn words(ebpf: &Ebpf, name: &str) -> Vec<u64> {
    let array = Array::<&MapData, [u8; 24]>::try_from(ebpf.map(name).unwrap()).unwrap();
    let bytes = array.get(&1, 0).unwrap();
    let (words, _) = bytes.as_chunks();
    words.iter().copied().map(u64::from_ne_bytes).collect()
}

#[test]
fn in_values_and_globals() {
    require_bpf!();
    require_kernel!("5.15", "a timer");
    check(&fixture("nested"));
    check(&fixture_with("nested", &["--debug"]));
}
