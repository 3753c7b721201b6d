//! The kernel's objects: gone through, owned, kept in maps; work, streams, and the way out.

use hachi::maps::Array;
use hachi::programs::TestRunOptions;
use hachi_test::{Cgroup, kernel_is_older_than, report_skip, require_bpf, require_kernel};
use hachi_tests::{fixture, fixture_with, load_all};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

fn check(object: &Path) {
    let mut ebpf = load_all(object);
    static HERE: u8 = 1;
    let here = (&raw const HERE) as u64;
    let group = Cgroup::new().unwrap();
    let _children = [group.child("a").unwrap(), group.child("b").unwrap()];
    let id = std::fs::metadata(group.path()).unwrap().ino();
    let mut wanted = Array::<_, u64>::try_from(ebpf.map_mut("WANTED").unwrap()).unwrap();
    for (index, value) in [here, id].into_iter().enumerate() {
        wanted.set(index as u32, value, 0).unwrap();
    }
    let run_with = |name: &str, first: u8| {
        let mut data = [0; 64];
        data[0] = first;
        let options = TestRunOptions::new().data(&data);
        let program = ebpf.program(name).unwrap();
        program.test_run(&options).unwrap().return_value
    };
    let run = |name: &str| run_with(name, 0);
    let result = |index: u32| {
        let results = Array::<_, u64>::try_from(ebpf.map("RESULTS").unwrap()).unwrap();
        results.get(&index, 0).unwrap()
    };

    assert_eq!(run("processes"), 2);
    assert!(result(0) > 1 && result(1) == 1, "{} processes", result(0));
    assert_eq!(run("threads"), 2);
    assert!(result(2) >= 1);

    let this = std::process::id().into();
    // The second time it is there already.
    assert_eq!(run("keep"), 2);
    assert_eq!([3, 4, 5].map(result), [this, 0, this]);
    assert_eq!(run("keep"), 2);
    assert_eq!(result(4), this);

    let work = run("work") as i32;
    if work == -12 && hachi_test::cpu_lacks_cmpxchg16b() {
        report_skip(format_args!(
            "work, for which this processor lacks cmpxchg16b"
        ));
    } else {
        assert_eq!(work, 2);
        let deadline = Instant::now() + Duration::from_secs(10);
        while result(6) != 1 {
            assert!(Instant::now() < deadline, "the work was not done");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    assert_eq!(run("areas"), 2);
    let area = format!("{:x}-{:x} ", result(9), result(10));
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.contains(&area), "{area} is not in\n{maps}");
    assert!(result(9) <= here && here < result(10) && result(8) > 1);

    assert_eq!(run("cgroups"), 2);
    assert_eq!(result(11), 3);
    // First in one order, last in the other.
    assert_eq!(result(12), result(15));
    assert!(result(13) >= 2, "{} above", result(13));

    assert_eq!((run_with("panics", 4), result(14)), (2, 5));
    // Out of bounds: nothing more happens, and the result is 0.
    assert_eq!((run_with("panics", 5), result(14)), (0, 5));

    assert_eq!(run("leave"), 3);
    assert_eq!(result(7), 0);
    // Some kernels have no memory for it where a program runs.
    let says = run("say");
    if kernel_is_older_than("6.17") {
        assert_eq!(says, 1);
    } else {
        assert!(says == 2 || says == 3, "{says}");
    }
}

#[test]
fn kernel_objects() {
    require_bpf!();
    require_kernel!("6.10", "work in the values of maps");
    check(&fixture("kobjects"));
    check(&fixture_with("kobjects", &["--debug"]));
}
