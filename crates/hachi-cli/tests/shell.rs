//! Completions and manual pages.

mod support;

use std::process::{Command, Stdio};

use hachi_test::{TempDir, find_program, require_bpf, skip};
use support::{hachi, object, run};

#[test]
fn every_shell_gets_a_script() {
    for (shell, part) in [
        ("bash", "complete "),
        ("zsh", "#compdef hachi"),
        ("fish", "complete --"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        hachi(["completions", shell])
            .code(0)
            .prints(&[part, "hachi"]);
    }
    hachi(["completions", "tcsh"])
        .code(2)
        .says(&["tcsh", "bash"]);
}

/// What the engine offers for the last word of a line.
fn offered(words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hachi"));
    command
        .args(["--", "hachi"])
        .args(words)
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_IFS", "\n")
        .stdin(Stdio::null());
    run(&mut command).code(0).stdout
}

#[test]
fn commands_and_live_names_are_completed() {
    let commands = offered(&["pr"]);
    assert!(commands.lines().any(|line| line == "prog"), "{commands}");
    let verbs = offered(&["map", ""]);
    for verb in ["get", "set", "dump", "watch"] {
        assert!(verbs.lines().any(|line| line == verb), "{verbs}");
    }
    let interfaces = offered(&["net", "--iface", ""]);
    assert!(interfaces.lines().any(|line| line == "lo"), "{interfaces}");
    require_bpf!();
    let loaded = hachi::EbpfLoader::new()
        .load_file(object("tables"))
        .unwrap();
    let maps = offered(&["map", "get", "BLOCK"]);
    assert!(maps.lines().any(|line| line == "BLOCKLIST"), "{maps}");
    drop(loaded);
}

#[test]
fn bash_takes_the_script() {
    let Some(bash) = find_program("bash") else {
        skip!("bash is not installed");
    };
    let dir = TempDir::new().unwrap();
    let script = dir.join("hachi.bash");
    std::fs::write(&script, hachi(["completions", "bash"]).code(0).stdout).unwrap();
    let run = run(Command::new(bash)
        .arg("-n")
        .arg(&script)
        .stdin(Stdio::null()))
    .code(0);
    assert_eq!(run.stderr, "");
}

#[test]
fn every_command_has_a_page() {
    let dir = TempDir::new().unwrap();
    let pages = dir.join("man1");
    hachi(["man".as_ref(), pages.as_os_str()]).code(0);
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("hachi.1").contains("eBPF"));
    let set = page("hachi-map-set.1");
    for part in [".TH", "BLOCKLIST", "\\-\\-from"] {
        assert!(set.contains(part), "{part}: {set}");
    }
    let count = std::fs::read_dir(&pages).unwrap().count();
    assert!(count > 50, "{count} pages");
    hachi(["man", "/proc/none"]).code(1).says(&["/proc/none"]);
}
