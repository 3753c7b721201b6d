//! The command line itself: help and mistakes.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hachi_test::TempDir;
use support::{command, hachi, keys, object, run};

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
    for version in ["99", "6.99", "6.1.2.3", "99999999999999999999"] {
        let started = std::time::Instant::now();
        hachi(["test", "--kernel", version])
            .code(2)
            .says(&[version, "6.12.107"]);
        assert!(started.elapsed().as_secs() < 5, "no archive was searched");
    }
    for seconds in ["1e30", "nan", "inf", "-1", "soon"] {
        hachi(["run", "x.o", &format!("--duration={seconds}")])
            .code(2)
            .says(&[seconds, "number of seconds"]);
    }
    hachi(["check"]).code(2).says(&["OBJECT"]);
    hachi(["map"]).code(2).says(&["list", "dump"]);
    hachi(["link", "detach"]).code(2).says(&["--iface"]);
    hachi(["link", "detach", "twelve"])
        .code(2)
        .says(&["twelve", "hachi link list"]);
    hachi(["pin", "link", "tag:twelve", "/sys/fs/bpf/x"])
        .code(2)
        .says(&["tag:twelve", "16 digits"]);
    hachi(["--version"]).code(0).prints(&["hachi"]);
}

/// What people type who know other tools.
#[test]
fn words_of_other_tools_are_understood() {
    hachi(["help"]).code(0).prints(&["Usage: hachi", "inspect"]);
    hachi(["help", "btf", "dump"])
        .code(0)
        .prints(&["hachi btf dump", "Example"]);
    for kind in ["prog", "map", "link"] {
        let list = format!("hachi {kind} list");
        hachi([kind, "show", "--help"]).code(0).prints(&[&list]);
        let (shown, listed) = (
            hachi([kind, "show", "--json"]),
            hachi([kind, "list", "--json"]),
        );
        assert_eq!(shown.code, listed.code);
        if shown.code == 0 {
            assert_eq!(keys(&shown.json()), keys(&listed.json()));
        }
    }
}

#[test]
fn a_source_given_as_object_gets_a_hint_to_build() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.join("Cargo.toml"), "[package]\n").unwrap();
    fs::write(dir.join("probe.rs"), "#![no_std]\n").unwrap();
    for command in ["check", "dis", "inspect"] {
        for place in [
            dir.path().to_owned(),
            dir.join("Cargo.toml"),
            dir.join("probe.rs"),
        ] {
            let build = format!("hachi build {}", place.display());
            hachi([command.as_ref(), place.as_os_str()])
                .code(1)
                .says(&["not an object", &build]);
        }
    }
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
fn building_a_missing_path() {
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
    let covered = ["test", "--coverage", "coverage", "--", "--lib", "answers"];
    run(in_package(&covered).env("ANSWER", "42"))
        .code(1)
        .says(&["no test ran a program in the virtual machine"]);
    assert!(!dir.join("coverage").exists());
    run(&mut in_package(&[
        "test",
        "--kernel",
        "6.1",
        "--profile",
        "stacks",
    ]))
    .code(2);
    run(in_package(&["test", "--kernel", "6.1"]).env("HACHI_QEMU", "/nowhere/qemu"))
        .code(3)
        .says(&["qemu-system-x86_64", "apt-get install"]);
}

/// What is not installed is named before anything is built or fetched.
#[test]
fn a_guest_of_another_machine_names_what_it_lacks() {
    let dir = TempDir::new().unwrap();
    let foreign = |words: &[&str]| {
        let mut command = command(words);
        // Only what runs the compiler.
        command.env("PATH", dir.path()).env("RUSTC", rustc());
        run(&mut command)
    };
    let (arch, linker) = match cfg!(target_arch = "s390x") {
        true => ("arm64", "aarch64-linux-gnu-gcc"),
        false => ("s390x", "s390x-linux-gnu-gcc"),
    };
    let watcher = object("watcher");
    let watcher = watcher.to_str().unwrap();
    for words in [
        &["test", "--kernel", "6.12", "--arch", arch][..],
        &["check", "--kernel", "6.12", "--arch", arch, watcher],
    ] {
        foreign(words).code(3).says(&[linker, "apt-get install"]);
    }
    for words in [
        &["test", "--kernel", "6.12", "--arch", "mips"][..],
        &["test", "--arch", arch],
        &["kernels", "fetch", "6.12", "--arch", "mips"],
    ] {
        foreign(words).code(2);
    }
}

/// The compiler itself, which needs nothing in `PATH`.
fn rustc() -> PathBuf {
    let mut asked = Command::new("rustc");
    let sysroot = asked.args(["--print", "sysroot"]).output().unwrap();
    let sysroot = String::from_utf8(sysroot.stdout).unwrap();
    PathBuf::from(sysroot.trim()).join("bin/rustc")
}
