//! A disk that is full: every command that writes a file says so, and leaves what was there.

use std::path::Path;
use std::process::Command;

use hachi_test::{TempDir, is_root, require_bpf, require_host, skip};
use hachi_tests::{failure, fixture, fixture_source, hachi_bin};

/// Runs the command with a disk of two pages at `disk`, on which there is `before`, and gives what
/// it wrote to stderr. It has to fail, and the disk must be as it was.
fn on_a_full_disk(directory: &Path, before: &str, arguments: &[&str]) -> String {
    // The disk is mounted in a namespace of its own, so nobody else sees it.
    let script = r#"
        set -e
        mount -t tmpfs -o size=8k none "$1"
        printf '%s' "$2" > "$1/there"
        shift 2
        status=0
        "$@" || status=$?
        cd "$DISK"
        test "$(ls -A)" = there || { ls -lA >&2; exit 90; }
        cat there > "$FOUND"
        exit $status
    "#;
    let (disk, found) = (directory.join("disk"), directory.join("found"));
    std::fs::create_dir_all(&disk).unwrap();
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        script,
        "sh",
    ]);
    command
        .arg(&disk)
        .arg(before)
        .arg(hachi_bin())
        .args(arguments);
    command.env("DISK", &disk).env("FOUND", &found);
    command.env("HACHI_YES", "1").env("NO_COLOR", "1");
    let told = failure(&mut command, 1);
    assert_eq!(std::fs::read_to_string(&found).unwrap(), before, "{told}");
    told
}

/// In pcap format.
fn capture_of_one_packet() -> Vec<u8> {
    let [major, minor, snap, ethernet] = [2u16.to_le_bytes(), 4u16.to_le_bytes(), [0; 2], [1, 0]];
    let mut capture = 0xa1b2_c3d4u32.to_le_bytes().to_vec();
    capture.extend([major, minor].concat());
    capture.extend([0; 8]);
    capture.extend([snap, [1, 0], ethernet, [0; 2]].concat());
    // Its time, its length in the file and on the wire, and its bytes.
    capture.extend([[1, 0, 0, 0], [0; 4], [60, 0, 0, 0], [60, 0, 0, 0]].concat());
    capture.extend([0; 60]);
    capture
}

#[test]
fn every_command_that_writes_a_file_leaves_the_old_one() {
    require_host!("mounts");
    require_bpf!();
    if !is_root() {
        skip!("only root mounts a disk");
    }
    let directory = TempDir::new().unwrap();
    let there = directory.path().join("disk/there");
    let there = there.to_str().unwrap();
    let out = directory.path().join("disk");
    let (object, source) = (fixture("linked_one"), fixture_source("linked_one"));
    let (object, source) = (object.to_str().unwrap(), source.to_str().unwrap());
    let capture = directory.path().join("in.pcap");
    std::fs::write(&capture, capture_of_one_packet()).unwrap();
    let capture = capture.to_str().unwrap();
    let run = |option| ["vm", "run", object, "--pcap", capture, option, there];
    let commands: [&[&str]; 10] = [
        &["ld", object, "-o", there],
        &["bindgen", "task_struct", "-o", there],
        &["btf", "min", "/sys/kernel/btf/vmlinux", there, object],
        &["build", source, "--out", out.to_str().unwrap()],
        &["ld", object, "-o", &format!("{}/new", out.display())],
        &["dis", object, "--graph", "cfg", "--out", there],
        &["check", object, "--save", there],
        &run("--write"),
        &run("--coverage"),
        &run("--profile"),
    ];
    for arguments in commands {
        // Not a byte is free.
        let before = "what was there, ".repeat(512);
        let told = on_a_full_disk(directory.path(), &before, arguments);
        assert!(
            told.contains("No space left on device"),
            "{arguments:?}: {told}"
        );
        assert!(
            told.contains(out.to_str().unwrap()),
            "{arguments:?}: {told}"
        );
    }
}
