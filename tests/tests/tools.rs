//! The tools of `examples/tools`: each sees something real that its test does.

mod support;

use hachi_test::require_bpf;
use hachi_tests::example;
use std::process::Command;
use support::running::Running;

/// The tool, not yet running.
fn tool(name: &str) -> Command {
    Command::new(example("tools", name))
}

#[test]
fn execsnoop_sees_a_program_start() {
    require_bpf!();
    let mut execsnoop = Running::start(tool("execsnoop").args(["--name", "true"]), "ARGS");
    let status = Command::new("true").args(["a", "b c"]).status().unwrap();
    assert!(status.success());
    let parent = std::process::id().to_string();
    let line = execsnoop.wait_for_line(&["true a b c", &parent]);
    let columns: Vec<&str> = line.split_whitespace().collect();
    assert_eq!([columns[0], columns[2], columns[3]], ["true", &parent, "0"]);
    execsnoop.interrupt();
}
