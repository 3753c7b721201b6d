//! The command line itself: help and mistakes.

mod support;

use std::fs;
use std::process::Command;

use hachi_test::TempDir;
use support::{command, hachi, run};

#[test]
fn alone_it_says_what_to_do_next() {
    let empty = TempDir::new().unwrap();
    run(command([""; 0]).current_dir(empty.path()))
        .code(0)
        .prints(&["hachi new", "hachi doctor", "hachi --help"]);
    // In a project other things come next.
    fs::write(
        empty.join("Cargo.toml"),
        "[dependencies]\nhachi-ebpf = \"1\"\n",
    )
    .unwrap();
    run(command([""; 0]).current_dir(empty.path()))
        .code(0)
        .prints(&["hachi build", "hachi check"]);
}

const COMMANDS: &[&[&str]] = &[
    &["new"],
    &["build"],
    &["check"],
    &["run"],
    &["test"],
    &["dis"],
    &["inspect"],
    &["bindgen"],
    &["btf"],
    &["btf", "min"],
    &["btf", "check"],
    &["prog"],
    &["prog", "list"],
    &["map"],
    &["map", "list"],
    &["map", "dump"],
    &["link"],
    &["link", "list"],
    &["link", "detach"],
    &["pin"],
    &["unpin"],
    &["ld"],
    &["doctor"],
];

#[test]
fn every_command_has_help_with_an_example() {
    let general = hachi(["--help"]).code(0);
    for words in COMMANDS {
        assert!(general.stdout.contains(words[0]), "{}", words[0]);
        let help = hachi(words.iter().chain(&["--help"])).code(0);
        assert!(help.stderr.is_empty());
        let help = help.prints(&["Example", &format!("hachi {}", words.join(" "))]);
        assert!(!help.stdout.contains("\x1b["), "colour without a terminal");
    }
}

#[test]
fn mistakes_are_exit_code_two() {
    hachi(["frobnicate"]).code(2).says(&["frobnicate"]);
    hachi(["build", "--sideways"]).code(2).says(&["--sideways"]);
    hachi(["build", "--min-kernel", "new"])
        .code(2)
        .says(&["5.15"]);
    hachi(["build", "--panics", "never"])
        .code(2)
        .says(&["deny"]);
    hachi(["build", "--cpu", "v9"])
        .code(2)
        .says(&["v1, v2, v3 or v4"]);
    hachi(["test", "--kernel", "newest"])
        .code(2)
        .says(&["newest", "6.12.107"]);
    hachi(["check"]).code(2).says(&["OBJECT"]);
    hachi(["map"]).code(2).says(&["list", "dump"]);
    hachi(["link", "detach"]).code(2).says(&["--iface"]);
    hachi(["link", "detach", "twelve"])
        .code(2)
        .says(&["twelve", "hachi link list"]);
    hachi(["pin", "link", "twelve", "/sys/fs/bpf/x"])
        .code(2)
        .says(&["twelve", "hachi link list"]);
    hachi(["--version"]).code(0).prints(&["hachi"]);
}

#[test]
fn colour_can_be_forced() {
    let plain = hachi(["doctor"]);
    assert!(!plain.stdout.contains("\x1b["));
    let coloured = hachi(["doctor", "--color", "always"]);
    assert!(coloured.stdout.contains("\x1b["));
}

#[test]
fn cargo_hachi_is_the_same_command() {
    let cargo_hachi = || Command::new(env!("CARGO_BIN_EXE_cargo-hachi"));
    // As cargo calls it, and as a person might.
    for arguments in [&["hachi", "--version"][..], &["--version"]] {
        let plain = hachi(["--version"]).stdout;
        assert_eq!(run(cargo_hachi().args(arguments)).code(0).stdout, plain);
    }
}

#[test]
fn building_what_is_not_there() {
    hachi(["build", "/nowhere/at-all"])
        .code(1)
        .says(&["/nowhere/at-all", "hachi new"]);
    let dir = TempDir::new().unwrap();
    fs::write(dir.join("notes.txt"), "").unwrap();
    hachi(["build".as_ref(), dir.join("notes.txt").as_os_str()])
        .code(1)
        .says(&["notes.txt"]);
}

/// Without a kernel it is cargo's; with one it says what it lacks.
#[test]
fn testing_needs_cargo_or_qemu() {
    let dir = TempDir::new().unwrap();
    let manifest = "[package]\nname = \"tiny\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(dir.join("src")).unwrap();
    let test =
        "#[test]\nfn answers() { assert_eq!(std::env::var(\"ANSWER\").as_deref(), Ok(\"42\")); }\n";
    fs::write(dir.join("src/lib.rs"), test).unwrap();
    let in_package = |arguments: &[&str]| {
        let mut command = command(arguments);
        command
            .current_dir(dir.path())
            .env("CARGO_TARGET_DIR", dir.join("target"));
        command
    };
    let plain = ["test", "--", "--lib", "answers"];
    run(in_package(&plain).env("ANSWER", "42"))
        .code(0)
        .prints(&["1 passed"]);
    run(in_package(&plain).env("ANSWER", "41")).code(1);
    run(in_package(&["test", "--kernel", "6.1"]).env("HACHI_QEMU", "/nowhere/qemu"))
        .code(3)
        .says(&["qemu-system-x86_64", "apt-get install"]);
}
