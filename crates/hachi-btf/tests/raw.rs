//! Types printed raw, compared with what bpftool prints.

mod support;

use std::process::Command;

use hachi_btf::{Btf, Types as _, print};
use hachi_test::{find_program, skip};

#[test]
fn raw_text_is_that_of_bpftool() {
    let Some(bpftool) = find_program("bpftool") else {
        skip!("no bpftool");
    };
    let path = "/sys/kernel/btf/vmlinux";
    let Ok(bytes) = std::fs::read(path) else {
        skip!("no {path}");
    };
    let btf = Btf::parse(&bytes).expect("parses");
    let ids = 1..=btf.last_id();
    let bpftool = |arguments: &[&str]| {
        let arguments = [arguments, &["btf", "dump", "file", path]].concat();
        let output = Command::new(&bpftool).args(arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("is UTF-8")
    };
    // Which of the tags are attributes is news to it.
    let ours = print::raw(&btf, ids.clone()).expect("prints");
    let ours = ours.replace(" attribute=1", "");
    let theirs = bpftool(&[]);
    assert_eq!(ours.lines().count(), theirs.lines().count());
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs);
    }
    // There all types are on one line.
    let ours = print::json(&btf, ids).expect("prints");
    let ours = ours.replace(",\"attribute\":1", "");
    let theirs = bpftool(&["-j"]);
    for (ours, theirs) in ours
        .replace('\n', "")
        .split("},{\"id\"")
        .zip(theirs.split("},{\"id\""))
    {
        // It extends the sign of values without one.
        if !theirs.contains("\"val\":18446744") {
            assert_eq!(ours, theirs.trim_end());
        }
    }
}
