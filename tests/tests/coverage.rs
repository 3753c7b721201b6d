//! `hachi test --coverage` and `--profile`: what a project's tests run in the virtual machine.

use hachi_test::{TempDir, require_host};
use hachi_tests::{examples_target_dir, hachi, root, success};
use std::fs;

#[test]
fn tests_of_a_project_show_lines_stacks_and_costs() {
    require_host!("a compiler");
    let dir = TempDir::new().unwrap();
    let (coverage, profile) = (dir.join("coverage"), dir.join("stacks"));
    let mut test = hachi(["test", "--coverage"]);
    test.arg(&coverage).arg("--profile").arg(&profile);
    test.args(["--", "-p", "first-xdp", "blocked"]);
    test.current_dir(root().join("examples/first-xdp"));
    let text = success(test.env("CARGO_TARGET_DIR", examples_target_dir()));

    let lcov = fs::read_to_string(coverage.join("lcov.info")).unwrap();
    let source = root().join("examples/first-xdp/first-xdp-ebpf/src/main.rs");
    // By its place on this machine, so that tools find it.
    let name = format!("SF:{}", source.display());
    assert!(lcov.lines().any(|line| line == name), "{lcov}");
    assert!(lcov.contains("FNDA:2,first_xdp"), "{lcov}");

    // Of two packets one is dropped, and each has its line in the text.
    let annotated = fs::read_to_string(coverage.join("annotated.txt")).unwrap();
    let count = |code: &str| {
        let line = annotated
            .lines()
            .find(|line| line.trim_end().ends_with(code));
        let line = line.unwrap_or_else(|| panic!("no {code:?} in {annotated}"));
        line.split_whitespace().next().unwrap_or("").to_owned()
    };
    assert_eq!(count("fn first_xdp(ctx: XdpContext) -> u32 {"), "2");
    assert_eq!(count("count(DROPPED, ctx.len() as u64);"), "1");
    assert_eq!(count("host_main!();"), "-");

    let stacks = fs::read_to_string(profile).unwrap();
    assert!(stacks.starts_with("first_xdp;src/main.rs:"), "{stacks}");

    // The longest of two runs, and the average, which is less.
    let row = text
        .lines()
        .find(|line| line.contains("a_blocked_source_is_dropped::vm  "))
        .unwrap_or_else(|| panic!("no row in {text}"));
    let words: Vec<&str> = row.split_whitespace().collect();
    let [_, "first_xdp", "2", most, average] = words[..] else {
        panic!("{row}");
    };
    let number = |text: &str| text.replace(',', "").parse::<u64>().unwrap();
    assert!(
        number(average) > 0 && number(average) < number(most),
        "{row}"
    );
}
