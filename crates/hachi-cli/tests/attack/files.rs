//! Files that are not what a command expects: pipes that nobody writes to, devices without end,
//! directories, sockets, circles of links, files without bytes or with a terabyte of them.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use hachi_test::{Guarded, TempDir, require_bpf};

use crate::state::tree;
use crate::support::{command, object};

/// The hostile files, in a directory.
struct Files {
    dir: TempDir,
    _socket: UnixListener,
}

impl Files {
    fn new() -> Files {
        let dir = TempDir::new().unwrap();
        let fifo = CString::new(dir.join("fifo").to_str().unwrap()).unwrap();
        // SAFETY: a string that lives through the call.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        fs::create_dir(dir.join("directory")).unwrap();
        File::create(dir.join("empty")).unwrap();
        File::create(dir.join("huge"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        // Not so huge that it is refused, but no object.
        File::create(dir.join("sparse"))
            .unwrap()
            .set_len(64 << 20)
            .unwrap();
        symlink("circle", dir.join("circle")).unwrap();
        symlink("nowhere", dir.join("dangling")).unwrap();
        symlink("/dev/zero", dir.join("zero")).unwrap();
        let _socket = UnixListener::bind(dir.join("socket")).unwrap();
        Files { dir, _socket }
    }

    fn all(&self) -> Vec<PathBuf> {
        let names = tree(self.dir.path());
        let others = [
            "/dev/null",
            "/dev/zero",
            "/dev/full",
            "/dev/tty",
            "/proc/self/mem",
        ];
        names
            .iter()
            .map(|name| self.dir.join(name))
            .chain(others.map(PathBuf::from))
            .collect()
    }
}

/// Commands that read a file, `@`, with nothing else wrong.
fn readers() -> Vec<Vec<String>> {
    let watcher = object("watcher").display().to_string();
    let all: &[&[&str]] = &[
        &["inspect", "@"],
        &["inspect", "--json", "@"],
        &["dis", "@"],
        &["check", "@"],
        &["run", "--iface", "lo", "--duration", "0", "@"],
        &["btf", "dump", "@"],
        &["btf", "find", "x", "--btf", "@"],
        &["btf", "layout", "x", "--btf", "@"],
        &["btf", "check", "@"],
        &["btf", "check", &watcher, "--btf", "@"],
        &["btf", "diff", &watcher, "@"],
        &["btf", "min", "@", "out", &watcher],
        &["btf", "min", &watcher, "out", "@"],
        &["bindgen", "x", "--btf", "@"],
        &["ld", "@", "-o", "out"],
        &["ld", &watcher, "@", "-o", "out"],
        &["map", "dump", "@"],
        &["link", "detach", "@"],
        &["unpin", "@"],
        &["unpin", "-r", "@"],
        &["build", "@"],
    ];
    let owned = |words: &&[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    all.iter().map(owned).collect()
}

#[test]
#[ignore = "the attack, which takes minutes"]
fn hostile_files_are_refused_at_once_and_by_name() {
    let files = Files::new();
    let work = TempDir::new().unwrap();
    let names = tree(files.dir.path());
    for path in files.all() {
        let shown = path.display().to_string();
        for words in readers() {
            let words: Vec<String> = words.iter().map(|word| word.replace('@', &shown)).collect();
            // A memory limit, since what has no end would take all there is.
            let mut limited = std::process::Command::new("sh");
            limited
                .args(["-c", "ulimit -v 4000000; exec \"$0\" \"$@\""])
                .arg(env!("CARGO_BIN_EXE_hachi"))
                .args(&words)
                .current_dir(work.path())
                .env("NO_COLOR", "1")
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
            let running = Guarded::spawn(&mut limited).unwrap();
            let ended = running.wait(Duration::from_secs(20));
            let (status, said) = ended.unwrap_or_else(|error| panic!("{words:?}: {error}"));
            assert!(
                matches!(status.code(), Some(1..=3)),
                "{words:?}: {status}: {said}"
            );
            assert!(!said.contains("panicked"), "{words:?}: {said}");
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(
                said.contains(name),
                "{words:?} does not name {name}: {said}"
            );
            assert_eq!(tree(work.path()), [""; 0], "{words:?}");
        }
    }
    // Nothing was removed or replaced.
    assert_eq!(tree(files.dir.path()), names);
}

/// What is written to is replaced only if it is a file.
#[test]
#[ignore = "the attack, which takes minutes"]
fn only_files_are_replaced() {
    require_bpf!();
    let files = Files::new();
    let watcher = object("watcher").display().to_string();
    let names = tree(files.dir.path());
    for name in ["directory", "circle", "socket", "directory/below/missing"] {
        let out = files.dir.join(name).display().to_string();
        let commands: [&[&str]; 6] = [
            &["ld", &watcher, "-o", &out],
            &["dis", &watcher, "--graph", "cfg", "--out", &out],
            &["check", &watcher, "--save", &out],
            &["bindgen", "Counter", "--btf", &watcher, "-o", &out],
            &["btf", "min", "/sys/kernel/btf/vmlinux", &out, &watcher],
            &["new", "wall", "--dir", &format!("{out}/wall")],
        ];
        for words in commands {
            if words[0] == "new" && name.starts_with("directory") {
                continue;
            }
            let failed = crate::support::run(&mut command(words)).code(1);
            assert!(failed.stderr.contains(name), "{words:?}: {}", failed.stderr);
            assert_eq!(tree(files.dir.path()), names, "{words:?}");
        }
    }
}

/// What is read goes through a pipe that somebody has open, as by a shell's `<(…)`.
#[test]
#[ignore = "the attack, which takes minutes"]
fn an_object_may_come_by_a_pipe() {
    let mut reading = command(["inspect", "/dev/stdin"]);
    let mut cat = std::process::Command::new("cat")
        .arg(object("watcher"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reading.stdin(cat.stdout.take().unwrap());
    crate::support::run(&mut reading)
        .code(0)
        .prints(&["watcher"]);
    assert!(cat.wait().unwrap().success());
}
