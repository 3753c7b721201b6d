//! `hachi test --kernel`, and what becomes of tests that fail, hang, are skipped, or take the
//! kernel down.

use hachi_test::{TempDir, find_program, require_host, skip};
use hachi_tests::{examples_target_dir, failure, hachi, root};
use serde_json::Value;
use std::collections::BTreeMap;

/// A package whose tests end in every way there is.
const TESTS: &str = r#"
use std::{fs, thread, time::Duration};

#[test]
fn passes() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(release.starts_with("5.10."), "{release}");
    // Files of the package are there.
    assert_eq!(fs::read_to_string("data/greeting").unwrap(), "hello");
    println!("printed");
}

#[test]
fn fails() {
    panic!("on purpose");
}

#[test]
fn takes_the_kernel_down() {
    fs::write("/proc/sysrq-trigger", "c").unwrap();
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn takes_too_long() {
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn too_new() {
    hachi_test::skip!("it needs Linux ≥ 5.11");
}

#[test]
fn wrongly_declared() {
    hachi_test::skip!("it needs Linux ≥ 5.9");
}

#[test]
#[ignore]
fn ignored() {}
"#;

#[test]
fn every_end_of_a_test_is_told() {
    require_host!("a compiler");
    if find_program("qemu-system-x86_64").is_none() {
        skip!("qemu-system-x86_64 is not installed (package qemu-system-x86)");
    }
    let package = TempDir::new().unwrap();
    let manifest = format!(
        "[package]\nname = \"ends\"\nedition = \"2024\"\n[workspace]\n\
         [dev-dependencies]\nhachi-test = {{ path = {:?} }}\n",
        root().join("crates/hachi-test")
    );
    std::fs::write(package.join("Cargo.toml"), manifest).unwrap();
    for directory in ["src", "tests", "data"] {
        std::fs::create_dir(package.join(directory)).unwrap();
    }
    std::fs::write(package.join("src/lib.rs"), "").unwrap();
    std::fs::write(package.join("tests/ways.rs"), TESTS).unwrap();
    std::fs::write(package.join("data/greeting"), "hello").unwrap();
    let mut test = hachi(["test", "--kernel", "5.10", "--timeout", "10", "--report"]);
    test.arg(package.join("report"))
        .current_dir(package.path())
        .env("CARGO_TARGET_DIR", examples_target_dir());
    let text = failure(&mut test, 1);
    assert!(text.contains("4 failed tests"), "{text}");

    let report = std::fs::read_to_string(package.join("report/5.10.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["problem"], Value::Null);
    let text = |test: &Value, key: &str| test[key].as_str().unwrap_or_default().to_owned();
    let ends: BTreeMap<String, &Value> = report["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|test| (text(test, "test"), test))
        .collect();
    for (name, outcome, reason, output) in [
        ("passes", "passed", "", "printed"),
        ("fails", "failed", "", "on purpose"),
        ("takes_the_kernel_down", "failed", "Kernel panic", ""),
        ("takes_too_long", "failed", "not done after", ""),
        ("too_new", "skipped", "needs Linux ≥ 5.11", ""),
        (
            "wrongly_declared",
            "failed",
            "",
            "declared for an older kernel",
        ),
        ("ignored", "ignored", "", ""),
    ] {
        let test = ends[name];
        assert_eq!(test["outcome"], outcome, "{test}");
        assert!(text(test, "reason").contains(reason), "{test}");
        assert!(text(test, "output").contains(output), "{test}");
    }
    assert_eq!(ends.len(), 7);
}
