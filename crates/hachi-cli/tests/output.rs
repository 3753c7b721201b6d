//! Where text goes: streams that fail, readers that are gone, names that attack the terminal.

mod support;

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hachi_test::{Bpffs, Netns, TempDir, require_bpf};
use support::{Run, command, hachi, object, run};

/// What only prints, with enough arguments to do so.
fn printing() -> Vec<Vec<String>> {
    let watcher = object("watcher").display().to_string();
    let of_watcher: &[&[&str]] = &[
        &["inspect"],
        &["inspect", "--json"],
        &["dis"],
        &["dis", "--json"],
        &["btf", "dump"],
        &["btf", "dump", "--format", "c"],
        &["btf", "dump", "--format", "rust"],
        &["btf", "dump", "--json"],
        &["btf", "find", "*", "--btf"],
        &["btf", "layout", "Counter", "--btf"],
        &["btf", "check", "--btf", &watcher],
        &["bindgen", "Counter", "--btf"],
    ];
    let alone: &[&[&str]] = &[
        &[],
        &["help"],
        &["--help"],
        &["--version"],
        &["run", "--help"],
        &["prog", "list"],
        &["map", "list", "--json"],
        &["link", "list"],
    ];
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let with_watcher = |words: &&[&str]| {
        let mut words: Vec<String> = owned(words);
        words.push(watcher.clone());
        words
    };
    let all = alone.iter().map(|words| owned(words));
    all.chain(of_watcher.iter().map(with_watcher)).collect()
}

fn to_full_disk(command: &mut Command) -> Run {
    let full = File::options().write(true).open("/dev/full").unwrap();
    Run::from(command.stdout(full).stderr(Stdio::piped()).spawn_and_wait())
}

/// Its standard output is a pipe whose reader is gone.
fn to_nobody(command: &mut Command) -> Run {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Run::from(
        command
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn_and_wait(),
    )
}

trait SpawnAndWait {
    fn spawn_and_wait(&mut self) -> std::process::Output;
}

impl SpawnAndWait for Command {
    fn spawn_and_wait(&mut self) -> std::process::Output {
        let child = self.spawn().expect("the command starts");
        child.wait_with_output().expect("the command ends")
    }
}

#[test]
fn a_full_disk_is_an_error_of_one_line() {
    require_bpf!();
    for words in printing() {
        let failed = to_full_disk(&mut command(&words)).code(1);
        let lines: Vec<&str> = failed.stderr.lines().collect();
        let [line] = lines[..] else {
            panic!("{words:?}: {lines:?}");
        };
        assert!(
            line.starts_with("error: cannot write to standard output"),
            "{line}"
        );
        assert!(line.contains("No space left on device"), "{line}");
    }
}

#[test]
fn a_reader_that_is_gone_has_seen_enough() {
    require_bpf!();
    for words in printing() {
        let ended = to_nobody(&mut command(&words)).code(0);
        assert_eq!(ended.stderr, "", "{words:?}");
    }
}

/// A verdict is in the exit code, read or not.
#[test]
fn a_verdict_does_not_depend_on_its_reader() {
    require_bpf!();
    let (watcher, rejected) = (object("watcher"), object("rejected"));
    to_nobody(&mut command(["check".as_ref(), watcher.as_os_str()])).code(0);
    to_nobody(&mut command(["check".as_ref(), rejected.as_os_str()])).code(1);
}

#[test]
fn nobody_reads_standard_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut failing = command(["inspect", "/nowhere.o"]);
    let output = failing.stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

/// A stream that its other users have made non-blocking loses nothing.
#[test]
fn a_slow_reader_of_a_shared_stream_gets_everything() {
    use std::io::Read;
    let (mut reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    let arguments = ["btf", "dump", "--json"];
    let expected = hachi(arguments).code(0).stdout;
    let mut child = command(arguments)
        .stdout(std::os::fd::OwnedFd::from(writer))
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(text.len(), expected.len());
}

/// The names in `programs/names.c`.
const NAMES: [&str; 11] = [
    "TYPENAMETYPENAME",
    "MEMBERNAMEMEMBER",
    "ENUMNAMEENUMNAME",
    "VALUENAMEVALUENA",
    "MAPNAMEMAPNAME",
    "GLOBALNAMEGLOBAL",
    "PROGNAMEPROGNAME",
    "OTHERNAMEOTHERNA",
    "SECTIONNAMESECTI",
    "FILENAMEFILENAME",
    "LICENCELICENCELI",
];

/// What acts on a terminal, forges lines or turns text around.
const HOSTILE: [&str; 8] = [
    "\x1b[31;1m",
    "\x1b]0;pwn\x07",
    "\nerror: x",
    "\r\x1b[2K",
    "\u{202e}\u{2066}",
    "\u{9b}2J\u{85}",
    "\x7f\x08\x08\x08",
    "\u{200b}\u{2028}",
];

/// `names.o` with each of its names replaced by one that begins with `hostile` and is as long.
fn with_names(hostile: &str, path: &Path) {
    let mut bytes = fs::read(object("names")).unwrap();
    for (number, name) in NAMES.into_iter().enumerate() {
        let letter = char::from(b'a' + number as u8);
        let padding = letter.to_string().repeat(name.len() - hostile.len());
        let replacement = format!("{hostile}{padding}");
        let places: Vec<usize> = (0..bytes.len() - name.len())
            .filter(|&at| bytes[at..].starts_with(name.as_bytes()))
            .collect();
        assert!(!places.is_empty(), "{name} is not in names.o");
        for at in places {
            bytes[at..at + name.len()].copy_from_slice(replacement.as_bytes());
        }
    }
    fs::write(path, bytes).unwrap();
}

/// Checks that nothing in the text acts on a terminal, and that no line came from a name.
#[track_caller]
fn assert_harmless(text: &str, what: &dyn std::fmt::Debug) {
    for line in text.lines() {
        let content = line.trim_start_matches('\t');
        assert!(
            content.chars().all(hachi_diag::is_printable),
            "{what:?}: {line:?}"
        );
        assert!(!line.starts_with("error: x"), "{what:?}: {text}");
    }
}

#[test]
fn hostile_names_reach_no_terminal() {
    require_bpf!();
    let dir = TempDir::new().unwrap();
    let netns = Netns::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let pins = bpffs.join("pins").display().to_string();
    let linked = dir.join("linked.o").display().to_string();
    let watcher = object("watcher").display().to_string();
    let path = dir.join("names.o");
    let shown = path.display().to_string();
    let uses: &[&[&str]] = &[
        &["inspect"],
        &["inspect", "--json"],
        &["dis"],
        &["dis", "--json"],
        &["btf", "dump"],
        &["btf", "dump", "--format", "c"],
        &["btf", "dump", "--format", "rust"],
        &["btf", "dump", "--json"],
        &["btf", "find", "*", "--btf"],
        &["btf", "find", "*", "--members", "--btf"],
        &["btf", "find", "*", "--json", "--btf"],
        &["btf", "check"],
        &["btf", "diff", &watcher],
        &["check"],
        &["check", "-v"],
        &["check", "--json"],
        &["ld", "-o", &linked],
        &["run", "--iface", "lo", "--duration", "0"],
        &["run", "--iface", "lo", "--duration", "0", "--json"],
        &["run", "--iface", "lo", "--duration", "0", "--pin", &pins],
        &["run", "--iface", "lo", "--program", "absent"],
        &["run", "--iface", "lo", "--set", "absent=1"],
        &["run"],
    ];
    for hostile in HOSTILE {
        with_names(hostile, &path);
        for words in uses {
            let mut inside = netns.command(env!("CARGO_BIN_EXE_hachi"));
            inside.args(*words).arg(&path).env("NO_COLOR", "1");
            let run = run(&mut inside);
            for text in [&run.stdout, &run.stderr] {
                assert_harmless(text, &(hostile, words));
            }
            assert!(
                matches!(run.code, 0..=3),
                "{hostile:?} {words:?}: {}",
                run.stderr
            );
            if run.stdout.contains(&pins) {
                hachi(["unpin", "-r", &pins]).code(0);
            }
        }
        // The layout of a struct whose name is not easy to type.
        let name = format!("{hostile}{}", "a".repeat(16 - hostile.len()));
        let layout = hachi(["btf", "layout", &name, "--btf", &shown]).code(0);
        assert_harmless(&layout.stdout, &hostile);
        // The document means the name that is there.
        let document = hachi(["inspect", "--json", &shown]).code(0).json();
        let global = document["objects"][0]["globals"][0]["name"].as_str();
        assert!(
            global.is_some_and(|name| name.starts_with(hostile)),
            "{document:#}"
        );
    }
}

#[test]
fn hostile_arguments_reach_no_terminal() {
    let dir = TempDir::new().unwrap();
    let name = "\x1b[31m\nerror: x\u{202e}";
    let path = dir.join(name);
    fs::copy(object("watcher"), &path).unwrap();
    let file = path.display().to_string();
    let absent = format!("{file}.absent");
    let uses: &[&[&str]] = &[
        &[name],
        &[&format!("--{name}")],
        &["run", name],
        &["run", &file, "--iface", name],
        &["run", &file, "--program", name],
        &["run", &file, "--iface", "lo", "--set", name],
        &["run", &file, "--iface", "lo", "--set", &format!("{name}=1")],
        &[
            "run",
            &file,
            "--iface",
            "lo",
            "--set",
            &format!("TALKATIVE={name}"),
        ],
        &["run", &file, "--duration", name],
        &["run", &file, "--mode", name],
        &["run", &file, "--cgroup", name],
        &["run", &file, "--pin", name],
        &["inspect", &file],
        &["inspect", &file, "--json"],
        &["inspect", &absent],
        &["dis", &file],
        &["dis", &file, "-p", name],
        &["check", &file, "-p", name],
        &["btf", "dump", &absent],
        &["btf", "dump", &file, "--type", name],
        &["btf", "find", name],
        &["btf", "find", "x", "--kind", name],
        &["btf", "layout", name],
        &["btf", "check", &absent],
        &["bindgen", name],
        &["bindgen", &format!("{name}:x")],
        &["map", "dump", name],
        &["map", "dump", &format!("/{name}")],
        &["prog", "list", "--type", name],
        &["link", "detach", name],
        &["link", "detach", &format!("/{name}")],
        &["link", "detach", "--iface", name],
        &["pin", "prog", name, "/sys/fs/bpf/x"],
        &["pin", name, "1", "/sys/fs/bpf/x"],
        &["unpin", &file],
        &["unpin", "-r", &file],
        &["ld", &absent, "-o", "/dev/null"],
        &["ld", &file, "-o", &format!("/nowhere/{name}")],
        &["build", &absent],
        &["build", name, "--target", name],
        &["build", name, "--arch", name],
        &["build", ".", "--min-kernel", name],
        &["test", "--kernel", name],
        &["new", name],
        &["new", "x", "--template", name],
    ];
    for words in uses {
        let run = hachi(*words);
        for text in [&run.stdout, &run.stderr] {
            assert_harmless(text, words);
        }
        assert!(matches!(run.code, 0..=3), "{words:?}: {}", run.stderr);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    }
}

/// Bytes that are no text.
#[test]
fn file_names_that_are_not_utf_8_are_shown_all_the_same() {
    use std::os::unix::ffi::OsStrExt;
    let dir = TempDir::new().unwrap();
    let path = dir.join(PathBuf::from(std::ffi::OsStr::from_bytes(b"a\xff\x1b.o")));
    fs::copy(object("watcher"), &path).unwrap();
    for words in [
        &["inspect"][..],
        &["inspect", "--json"],
        &["dis", "--json"],
        &["check", "--json"],
    ] {
        let run = run(command(words).arg(&path));
        assert!(matches!(run.code, 0 | 3), "{words:?}: {}", run.stderr);
        assert_harmless(&run.stdout, &words);
        assert!(run.stdout.contains('\u{fffd}'), "{words:?}: {}", run.stdout);
    }
}

/// The name of a process that has a map open.
#[test]
fn hostile_process_names_reach_no_terminal() {
    require_bpf!();
    let dir = TempDir::new().unwrap();
    let sleeper = dir.join("\x1b[31m\nerror: x");
    fs::copy("/bin/sleep", &sleeper).unwrap();
    let mut ebpf = hachi::Ebpf::load_file(object("watcher")).unwrap();
    let program = ebpf.program_mut("watcher").unwrap();
    program.load().unwrap();
    let fd = program.fd().unwrap().as_fd().as_raw_fd();
    let mut holder = Command::new(&sleeper);
    // SAFETY: only a system call between fork and exec.
    unsafe {
        holder.pre_exec(move || match libc::fcntl(fd, libc::F_SETFD, 0) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    let _holder = hachi_test::Guarded::spawn(holder.arg("60")).unwrap();
    let listed = || {
        let run = hachi(["prog", "list"]).code(0);
        assert_harmless(&run.stdout, &"prog list");
        run.stdout.contains("\\x1b[31m\\nerror(") || run.stdout.contains("\\x1b[31m\\nerror:")
    };
    for _ in 0..100 {
        if listed() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{}", hachi(["prog", "list"]).stdout);
}

/// Names that others give to interfaces, cgroups and directories of pins.
#[test]
fn hostile_names_of_the_system_reach_no_terminal() {
    require_bpf!();
    let (netns, bpffs) = (Netns::new().unwrap(), Bpffs::new().unwrap());
    let inside = |words: &[&str]| {
        let mut command = netns.command(env!("CARGO_BIN_EXE_hachi"));
        let run = run(command.args(words).env("NO_COLOR", "1"));
        for text in [&run.stdout, &run.stderr] {
            assert_harmless(text, &words);
        }
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        run
    };
    // An interface's name takes all but blanks and slashes.
    let interface = "\x1b[31m\u{202e}x";
    let mut ip = netns.command("ip");
    ip.args([
        "link", "add", interface, "type", "veth", "peer", "name", "other",
    ]);
    if !ip.status().is_ok_and(|status| status.success()) {
        hachi_test::skip!("no interface of type veth");
    }
    let pins = bpffs.join("\x1b[2J\nerror: x").display().to_string();
    let watcher = object("watcher").display().to_string();
    let run = ["run", &watcher, "--iface", interface, "--duration", "0"];
    inside(&run).code(0);
    inside(&[&run[..], &["--json"]].concat()).code(0);
    inside(&[&run[..], &["--pin", &pins]].concat()).code(0);
    let listed = inside(&["link", "list"]).code(0);
    assert!(listed.stdout.contains("\\x1b[31m"), "{}", listed.stdout);
    let document = inside(&["link", "list", "--json"]).code(0).json();
    let mut links = document["links"].as_array().unwrap().iter();
    assert!(
        links.any(|link| link["target"]["name"] == interface),
        "{document:#}"
    );
    inside(&[&run[..], &["--pin", &pins]].concat()).code(1);
    inside(&["run", &watcher, "--iface", "absent", "--duration", "0"]).code(1);
    inside(&["link", "detach", "--iface", interface]).code(0);
    inside(&["link", "detach", "--iface", interface]).code(1);
    // As if it had been killed.
    fs::rename(&pins, format!("{pins}-unfinished")).unwrap();
    for words in [
        &["link", "list"][..],
        &["link", "list", "--json"],
        &["doctor", "--run"],
    ] {
        let told = inside(words);
        assert!(
            told.stdout.contains("hachi unpin -r"),
            "{words:?}: {}",
            told.stdout
        );
    }
    inside(&[&run[..], &["--pin", &pins]].concat()).code(1);
    inside(&["unpin", &format!("{pins}-unfinished")]).code(1);
    inside(&["unpin", "-r", &pins]).code(0);
    inside(&["unpin", "-r", &pins]).code(1);
}

/// A cgroup may have been given to another user, who makes directories in it.
#[test]
fn hostile_names_of_cgroups_reach_no_terminal() {
    use hachi::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType};
    require_bpf!();
    let Ok(cgroup) = hachi_test::Cgroup::new() else {
        hachi_test::skip!("no cgroup can be made here");
    };
    let path = cgroup.path().join("\x1b[31m\u{9b}x");
    fs::create_dir(&path).unwrap();
    let mut ebpf = hachi::Ebpf::load_file(object("places")).unwrap();
    let program: &mut CgroupSkb = ebpf.program_mut("sent").unwrap().try_into().unwrap();
    program.load().unwrap();
    let dir = File::open(&path).unwrap();
    let kind = CgroupSkbAttachType::Egress;
    program
        .attach(&dir, kind, CgroupAttachMode::Single)
        .unwrap();
    for words in [
        &["link", "list"][..],
        &["link", "list", "--json"],
        &["doctor", "--run"],
    ] {
        let run = hachi(words);
        assert_harmless(&run.stdout, &words);
        assert_harmless(&run.stderr, &words);
    }
    let listed = hachi(["link", "list"]).code(0);
    assert!(listed.stdout.contains("\\x1b[31m"), "{}", listed.stdout);
    drop(ebpf);
    fs::remove_dir(&path).unwrap();
}
