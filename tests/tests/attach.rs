//! Programs that say in their sections where they belong.

use hachi::{Ebpf, programs::AttachOptions};
use hachi_test::require_bpf;
use hachi_tests::{fixture, hachi, success};

#[test]
fn all_at_once() {
    require_bpf!();
    let mut ebpf = Ebpf::load_file(fixture("tracepoint")).unwrap();
    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert!(all.left_out.is_empty(), "{all:?}");
    let [(name, attached)] = &all.attached[..] else {
        panic!("{all:?}")
    };
    assert_eq!(name, "on_switch");
    assert_eq!(attached.target, "tracepoint sched/sched_switch");
    let program = ebpf.program_mut("on_switch").unwrap();
    assert_eq!(program.links().count(), 1);
    program.detach(attached.link).unwrap();
    assert_eq!(program.links().count(), 0);
}

#[test]
fn by_the_command() {
    require_bpf!();
    let object = fixture("tracepoint");
    let arguments = ["--duration", "0.1", "--json"];
    let printed = success(hachi(["run"]).arg(&object).args(arguments));
    // One object a line.
    let lines: Vec<serde_json::Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let attached = lines.iter().find(|line| line["type"] == "attached");
    let attached = attached.expect("says what it attached");
    assert_eq!(attached["program"], "on_switch");
    assert_eq!(attached["target"], "tracepoint sched/sched_switch");
    assert!(attached.get("iface").is_none());
}
