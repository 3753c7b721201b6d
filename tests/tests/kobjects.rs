//! The kernel's objects: gone through, owned, kept in maps; work, streams, and the way out.

use hachi::Ebpf;
use hachi::maps::Array;
use hachi::programs::TestRunOptions;
use hachi_test::{kernel_is_older_than, report_skip, require_bpf, require_kernel};
use hachi_tests::{fixture, fixture_with};
use std::path::Path;
use std::time::{Duration, Instant};

fn check(object: &Path) {
    let mut ebpf = Ebpf::load_file(object).unwrap();
    // Linux 7 has other functions for work queues and streams, which `hachi-ebpf` does not know yet.
    let works = kernel_is_older_than("7.0");
    if !works {
        report_skip(format_args!(
            "work queues and streams as Linux 7.0 has them"
        ));
    }
    for (name, program) in ebpf.programs_mut() {
        if name == "work" && !works {
            continue;
        }
        program
            .load()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let run = |name: &str| {
        let options = TestRunOptions {
            data: &[0; 64],
            ..Default::default()
        };
        let program = ebpf.program(name).unwrap();
        program.test_run(&options).unwrap().return_value
    };
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

    if works {
        assert_eq!(run("work"), 2);
        let deadline = Instant::now() + Duration::from_secs(10);
        while result(6) != 1 {
            assert!(Instant::now() < deadline, "the work was not done");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    assert_eq!(run("leave"), 3);
    assert_eq!(result(7), 0);
    // Some kernels have no memory for it where a program runs.
    let says = run("say");
    if kernel_is_older_than("6.17") || !works {
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
