//! A user without rights: what needs none works, the rest says what is lacking.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use hachi_test::{TempDir, require_bpf};

use crate::state::Place;
use crate::support::{self, Run, object};

/// `nobody`, on every system.
const NOBODY: u32 = 65534;

/// A directory of nobody's own, with a copy of the command and of an object: the checkout may be
/// where others cannot look.
struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Home {
        let dir = TempDir::new().unwrap();
        for (from, name) in [
            (PathBuf::from(env!("CARGO_BIN_EXE_hachi")), "hachi"),
            (object("watcher"), "watcher.o"),
        ] {
            fs::copy(from, dir.join(name)).unwrap();
        }
        fs::create_dir(dir.join("home")).unwrap();
        std::os::unix::fs::chown(dir.join("home"), Some(NOBODY), Some(NOBODY)).unwrap();
        fs::write(dir.join("secret.o"), "").unwrap();
        fs::set_permissions(dir.join("secret.o"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Home { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn hachi(&self, words: &[&str]) -> Run {
        let mut command = Command::new(self.dir.join("hachi"));
        command
            .args(words)
            .current_dir(self.dir.join("home"))
            .env("HOME", self.dir.join("home"))
            .env("XDG_CACHE_HOME", self.dir.join("home/cache"))
            .env("NO_COLOR", "1")
            .uid(NOBODY)
            .gid(NOBODY);
        support::run(&mut command)
    }
}

#[test]
#[ignore = "the attack, which takes minutes"]
fn without_rights_commands_name_the_missing_right_or_work() {
    require_bpf!();
    if !hachi_test::is_root() {
        hachi_test::skip!("only root becomes another user");
    }
    let home = Home::new();
    let place = Place::new();
    support::run(&mut place.run_pinned()).code(0);
    let pins = place.pins().display().to_string();
    let watcher = home.path("watcher.o");
    // Not below /sys/fs/bpf, where a fresh machine has no BPF file system.
    let nobodys = place.bpffs.join("nobody").display().to_string();

    let lacking: [&[&str]; 8] = [
        &["run", &watcher, "--iface", "lo"],
        &["run", &watcher, "--iface", "lo", "--pin", &nobodys],
        &["check", &watcher],
        &["prog", "list"],
        &["map", "list"],
        &["link", "list"],
        &["link", "detach", "1"],
        &["pin", "prog", "1", &nobodys],
    ];
    for words in lacking {
        let failed = home.hachi(words).code(3);
        assert!(!failed.stderr.contains("panicked"), "{}", failed.stderr);
        let names_it = ["CAP_", "root", "EPERM", "Permission denied"];
        assert!(
            names_it.iter().any(|word| failed.stderr.contains(word)),
            "{words:?}: {}",
            failed.stderr
        );
    }
    // What belongs to root stays.
    for words in [&["unpin", &pins][..], &["unpin", "-r", &pins]] {
        let failed = home.hachi(words);
        assert!(matches!(failed.code, 1 | 3), "{words:?}: {}", failed.stderr);
    }
    place.has_attached(1);
    place.undo().code(0);

    home.hachi(&["inspect", &home.path("secret.o")])
        .code(3)
        .says(&["secret.o", "Permission denied"]);
    let fine: [&[&str]; 7] = [
        &["inspect", &watcher],
        &["dis", &watcher],
        &["btf", "dump", &watcher],
        &["ld", &watcher, "-o", "linked.o"],
        &["bindgen", "Counter", "--btf", &watcher, "-o", "bindings.rs"],
        &["new", "wall"],
        &["--help"],
    ];
    for words in fine {
        home.hachi(words).code(0);
    }
    let written = home.dir.join("home");
    for name in ["linked.o", "bindings.rs", "wall/Cargo.toml"] {
        assert!(Path::new(&written).join(name).exists(), "{name}");
    }
    // A place that is root's.
    for words in [
        &["ld", &watcher, "-o", "/etc/linked.o"][..],
        &["new", "wall", "--dir", "/etc/wall"],
    ] {
        home.hachi(words)
            .code(3)
            .says(&["/etc/", "Permission denied"]);
    }
}

/// However few descriptors a command may have, it does its work or says that they were too few, and
/// takes their lack for nothing else: no absent interface, library or reason of the kernel's.
#[test]
#[ignore = "the attack, which takes minutes"]
fn names_the_limit_when_descriptors_run_out() {
    require_bpf!();
    let dir = TempDir::new().unwrap();
    fs::write(dir.join("empty.rs"), "").unwrap();
    let mut rustc = Command::new("rustc");
    rustc.args(["--crate-type=lib", "--emit=llvm-bc", "empty.rs"]);
    assert!(rustc.current_dir(dir.path()).status().unwrap().success());
    let place = Place::new();
    let watcher = object("watcher").display().to_string();
    let bitcode = dir.join("empty.bc").display().to_string();
    let out = dir.join("out.o").display().to_string();
    let commands: [&[&str]; 5] = [
        &["run", &watcher, "--iface", "lo", "--duration", "0"],
        &["check", &watcher],
        &["ld", &bitcode, "-o", &out],
        &["link", "list"],
        &["link", "detach", "xdp:lo:skb"],
    ];
    for words in commands {
        let run = |limit: Option<u32>| {
            let limit = limit.map_or(String::new(), |limit| format!("ulimit -n {limit}; "));
            let mut command = place.netns.command("sh");
            command
                .arg("-c")
                .arg(format!("{limit}exec \"$@\""))
                .arg("sh");
            command
                .arg(env!("CARGO_BIN_EXE_hachi"))
                .args(words)
                .env("NO_COLOR", "1");
            support::run(&mut command)
        };
        let unlimited = run(None);
        let mut told = 0;
        for limit in 4..20 {
            let limited = run(Some(limit));
            let said = &limited.stderr;
            if said.contains("Too many open files") || said.contains("EMFILE") {
                assert!(
                    matches!(limited.code, 1 | 3),
                    "{words:?}, {limit}: {}",
                    limited.code
                );
                told += 1;
            } else {
                // What other tests do meanwhile may change what there is to say.
                let is_same =
                    |other: &support::Run| (limited.code, said) == (other.code, &other.stderr);
                assert!(
                    is_same(&unlimited) || is_same(&run(None)),
                    "{words:?}, {limit} descriptors: {} instead of {}: {said}\n{}",
                    limited.code,
                    unlimited.code,
                    unlimited.stderr
                );
            }
        }
        if !words.contains(&"link") {
            assert!(told > 0, "{words:?} needs no descriptors?");
        }
    }
}
