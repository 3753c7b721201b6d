//! The command line itself: help, mistakes, and `hachi new`.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use hachi_test::{TempDir, find_program, skip};
use support::{command, hachi, keys, run};

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
fn the_doctor_names_fixes() {
    let run = hachi(["doctor", "--json"]);
    assert!(matches!(run.code, 0 | 3), "{}", run.stderr);
    let document = run.json();
    assert_eq!(keys(&document), ["checks", "healthy"]);
    assert_eq!(document["healthy"], run.code == 0);
    let checks = document["checks"].as_array().unwrap();
    for check in checks {
        assert_eq!(keys(check), ["area", "detail", "fix", "state", "subject"]);
        let state = check["state"].as_str().unwrap();
        assert!(["ok", "optional", "missing"].contains(&state));
    }
    for subject in ["kernel", "privileges", "bpffs", "kernel BTF", "JIT"] {
        assert!(
            checks.iter().any(|check| check["subject"] == subject),
            "{subject}"
        );
    }
    let build = hachi(["doctor", "--build", "--json"]).json();
    assert!(
        build["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["area"] == "Building")
    );
}

#[test]
fn a_new_project_is_complete() {
    let dir = TempDir::new().unwrap();
    let created = run(command(["new", "my-wall", "--json"]).current_dir(dir.path())).code(0);
    let document = created.json();
    assert_eq!(keys(&document), ["dir", "files", "name", "template"]);
    assert_eq!(document["template"], "xdp");
    let files: Vec<&str> = document["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file.as_str().unwrap())
        .collect();
    for expected in [
        "Cargo.toml",
        "my-wall/build.rs",
        "my-wall/src/main.rs",
        "my-wall-common/src/lib.rs",
        "my-wall-ebpf/src/main.rs",
    ] {
        assert!(files.contains(&expected), "{expected} is not in {files:?}");
    }
    for file in files {
        let text = fs::read_to_string(dir.join("my-wall").join(file)).unwrap();
        assert!(!text.contains("{{"), "{file} has an unfilled slot");
    }
    let program = fs::read_to_string(dir.join("my-wall/my-wall-ebpf/src/main.rs")).unwrap();
    assert!(program.contains("fn my_wall(ctx: XdpContext)"));
    let manifest = fs::read_to_string(dir.join("my-wall/Cargo.toml")).unwrap();
    assert!(manifest.contains("members = [\"my-wall\", \"my-wall-common\", \"my-wall-ebpf\"]"));

    // Not over what is there.
    run(command(["new", "my-wall"]).current_dir(dir.path()))
        .code(1)
        .says(&["my-wall", "not empty", "--dir"]);
    // An empty directory is as good as none.
    fs::create_dir(dir.join("other")).unwrap();
    run(command(["new", "my-wall", "--dir", "other"]).current_dir(dir.path()))
        .code(0)
        .prints(&["cd other", "cargo run -- --iface"]);
    fs::write(dir.join("file"), "").unwrap();
    run(command(["new", "wall", "--dir", "file"]).current_dir(dir.path()))
        .code(1)
        .says(&["file", "is a file"]);
}

/// `hachi ARGUMENTS` at a terminal where somebody types `typed`: the exit code, and what the
/// terminal shows.
fn at_a_terminal(script: &Path, dir: &Path, arguments: &str, typed: &str) -> (Option<i32>, String) {
    let mut terminal = Command::new(script);
    let line = format!("'{}' {arguments}", env!("CARGO_BIN_EXE_hachi"));
    terminal.args(["-qec", &line, "/dev/null"]).current_dir(dir);
    let keys = dir.join(".keys");
    fs::write(&keys, typed).unwrap();
    let output = terminal.stdin(fs::File::open(&keys).unwrap()).output();
    let output = output.expect("the terminal opens");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

#[test]
fn new_asks_for_the_name_at_a_terminal_only() {
    let Some(script) = find_program("script") else {
        skip!("script is not installed");
    };
    let dir = TempDir::new().unwrap();
    let at_a_terminal = |arguments, typed| at_a_terminal(&script, dir.path(), arguments, typed);
    // Until the answer is good.
    let (code, text) = at_a_terminal("new", "2fast\nwall\n");
    assert!(
        code == Some(0) && text.contains("Name of the project"),
        "{text}"
    );
    assert!(text.contains("2fast") && text.contains("letter"), "{text}");
    assert!(dir.join("wall/wall-ebpf/src/main.rs").is_file(), "{text}");
    // Nobody answers.
    let (code, text) = at_a_terminal("new", "");
    assert!(code == Some(2) && text.contains("hachi new NAME"), "{text}");
    // What is said is not asked.
    let (code, text) = at_a_terminal("new gate --template xdp", "");
    assert!(
        code == Some(0) && !text.contains("Name of the project"),
        "{text}"
    );
    assert!(dir.join("gate/Cargo.toml").is_file(), "{text}");
}

#[test]
fn bad_names_are_told_why() {
    let dir = TempDir::new().unwrap();
    for (name, why) in [
        ("", "empty"),
        ("fire wall", "' '"),
        ("../up", "'.'"),
        ("2fast", "letter"),
        ("match", "keyword"),
        ("core", "taken"),
        ("hachi", "taken"),
    ] {
        run(command(["new", name]).current_dir(dir.path()))
            .code(2)
            .says(&[why]);
    }
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing was made"
    );
    // Nobody is asked when there is no terminal.
    run(command(["new"]).current_dir(dir.path()))
        .code(2)
        .says(&["name", "hachi new NAME"]);
    run(command(["new", "wall", "--template", "cobol"]).current_dir(dir.path()))
        .code(2)
        .says(&["cobol", "xdp"]);
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
