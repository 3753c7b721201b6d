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
fn what_needs_rights_says_so_and_the_rest_works() {
    require_bpf!();
    if !hachi_test::is_root() {
        hachi_test::skip!("only root becomes another user");
    }
    let home = Home::new();
    let place = Place::new();
    support::run(&mut place.run_pinned()).code(0);
    let pins = place.pins().display().to_string();
    let watcher = home.path("watcher.o");

    let lacking: [&[&str]; 8] = [
        &["run", &watcher, "--iface", "lo"],
        &[
            "run",
            &watcher,
            "--iface",
            "lo",
            "--pin",
            "/sys/fs/bpf/nobody",
        ],
        &["check", &watcher],
        &["prog", "list"],
        &["map", "list"],
        &["link", "list"],
        &["link", "detach", "1"],
        &["pin", "prog", "1", "/sys/fs/bpf/nobody"],
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
