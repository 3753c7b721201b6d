//! Each system call fails, or is the one at which the process is killed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;

use hachi::programs::{Xdp, XdpFlags};
use hachi_test::{Injected, InjectedRun, TempDir, inject, require_bpf};

use crate::Random;
use crate::state::{Place, is_whole, tree};
use crate::support::{self, object};

/// The errors, with a name that stands for each.
const ERRORS: [(i32, &str); 5] = [
    (libc::EPERM, "EPERM"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::ENOSPC, "ENOSPC"),
    (libc::EMFILE, "EMFILE"),
    (libc::EINTR, "EINTR"),
];

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With 0: all has been done.
    Done,
    /// With another code, and words.
    Failed,
    /// Killed.
    Killed,
}

/// Runs a command again and again, with another call struck each time; `count` of the runs in the
/// short run. Looks at exit code and words; `after` looks at what is left.
fn strike<B>(
    name: &str,
    count: usize,
    before: impl Fn() -> B,
    command: impl Fn(&B) -> Command,
    after: impl Fn(&B, End),
) {
    require_bpf!();
    if !hachi_test::is_root() {
        hachi_test::skip!("seccomp(2) without further ado needs root");
    }
    let fine = before();
    let run = inject(&mut command(&fine), None).unwrap();
    assert_eq!(end(&run, None), End::Done);
    after(&fine, End::Done);
    drop(fine);
    let strokes = ERRORS
        .iter()
        .map(|(errno, _)| Injected::Error(*errno))
        .chain([Injected::Kill]);
    let strokes: Vec<Injected> = strokes.collect();
    let all: Vec<(usize, Injected)> = (0..run.calls.len())
        .flat_map(|position| strokes.iter().map(move |stroke| (position, *stroke)))
        .collect();
    let places = all.len();
    let chosen = Random::of(name).sample(all, count);
    eprintln!("{name}: {} of {places} places", chosen.len());
    let mut wrong = Vec::new();
    for (position, stroke) in chosen {
        let given = before();
        let run = inject(&mut command(&given), Some((position, stroke))).unwrap();
        let looked = catch_unwind(AssertUnwindSafe(|| {
            after(&given, end(&run, Some(stroke)));
        }));
        if looked.is_err() {
            // What was wrong has been printed.
            let call = run.calls.get(position).map_or("?", String::as_str);
            let before = &run.calls[position.saturating_sub(4).min(run.calls.len())..];
            let what = format!("{stroke:?} in place of call {position}, {call}");
            eprintln!(
                "{name}, {what}; calls around it: {:?}",
                &before[..before.len().min(8)]
            );
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            eprintln!("stdout: {}", text(&run.output.stdout));
            eprintln!("stderr: {}", text(&run.output.stderr));
            wrong.push(what);
        }
    }
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
}

/// Checks the exit code and the words of a run.
#[track_caller]
fn end(run: &InjectedRun, stroke: Option<Injected>) -> End {
    let said = String::from_utf8_lossy(&run.output.stderr);
    assert!(!said.contains("panicked"), "{said}");
    match run.output.status.code() {
        Some(0) => End::Done,
        Some(1 | 3) => {
            assert!(said.contains("error: "), "no error in: {said}");
            if let Some(Injected::Error(errno)) = stroke {
                let error = io::Error::from_raw_os_error(errno).to_string();
                let words = error.split(" (os error").next().unwrap_or(&error);
                let name = ERRORS.iter().find(|(number, _)| *number == errno);
                let name = name.map_or("", |(_, name)| name);
                assert!(
                    said.contains(words) || said.contains(name),
                    "neither {name} nor {words:?} in: {said}"
                );
            }
            End::Failed
        }
        None if stroke == Some(Injected::Kill) => End::Killed,
        _ => panic!("{:?}: {said}", run.output.status),
    }
}

#[test]
#[ignore = "the attack, which takes minutes"]
fn run_leaves_nothing_attached() {
    strike("run", 150, Place::new, Place::run, |place, _| {
        place.has_attached(0)
    });
}

#[test]
#[ignore = "the attack, which takes minutes"]
fn run_with_pins_leaves_all_or_nothing() {
    strike(
        "run --pin",
        250,
        Place::new,
        Place::run_pinned,
        |place, end| {
            let pinned = place.pinned();
            match end {
                End::Done => {
                    assert!(is_whole(&pinned), "{pinned:?}");
                    place.has_attached(1);
                    place.undo().code(0);
                    assert_eq!(place.pinned(), [""; 0]);
                    place.has_attached(0);
                }
                End::Failed if pinned.is_empty() => place.has_attached(0),
                End::Failed => {
                    // It failed when all was done.
                    assert!(is_whole(&pinned), "{pinned:?}");
                    place.is_whole_or_named();
                }
                End::Killed => place.is_whole_or_named(),
            }
        },
    );
}

/// A loaded program, with the link by which it is attached, to be pinned.
struct Loaded {
    place: Place,
    ebpf: hachi::Ebpf,
}

impl Loaded {
    fn new() -> Loaded {
        let place = Place::new();
        let mut ebpf = hachi::Ebpf::load_file(object("watcher")).unwrap();
        let program: &mut Xdp = ebpf.program_mut("watcher").unwrap().try_into().unwrap();
        program.load().unwrap();
        place
            .netns
            .run(|| program.attach("lo", XdpFlags::default()))
            .unwrap();
        Loaded { place, ebpf }
    }

    fn id(&self, kind: &str) -> u32 {
        match kind {
            "prog" => self.ebpf.program("watcher").unwrap().info().unwrap().id(),
            "map" => self
                .ebpf
                .map("LENGTHS")
                .unwrap()
                .data()
                .info()
                .unwrap()
                .id(),
            _ => {
                let program = self.id("prog");
                hachi::links::loaded_links()
                    .filter_map(Result::ok)
                    .find(|link| link.program_id() == program)
                    .expect("a link")
                    .id()
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.place.bpffs.join("pin")
    }
}

fn pin(kind: &str) {
    strike(
        &format!("pin {kind}"),
        40,
        Loaded::new,
        |loaded| {
            let id = loaded.id(kind).to_string();
            let path = loaded.path();
            let arguments = ["pin", kind, &id].map(AsRef::as_ref);
            loaded
                .place
                .command(arguments.into_iter().chain([path.as_os_str()]))
        },
        |loaded, end| match end {
            End::Done => assert_eq!(loaded.place.pinned(), ["pin"]),
            End::Failed => assert_eq!(loaded.place.pinned(), [""; 0]),
            // The kernel makes a pin at once, or not.
            End::Killed => {}
        },
    );
}

#[test]
#[ignore = "the attack, which takes minutes"]
fn pinning_a_program_map_or_link_is_done_or_not() {
    for kind in ["prog", "map", "link"] {
        pin(kind);
    }
}

#[test]
#[ignore = "the attack, which takes minutes"]
fn a_second_unpin_removes_what_the_first_left() {
    let pinned = || {
        let place = Place::new();
        support::run(&mut place.run_pinned()).code(0);
        place
    };
    let unpin = |place: &Place| {
        let pins = place.pins();
        place.command(["unpin".as_ref(), "-r".as_ref(), pins.as_os_str()])
    };
    strike("unpin -r", 120, pinned, unpin, |place, end| {
        if end != End::Done && !place.pinned().is_empty() {
            place.undo().code(0);
        }
        assert_eq!(place.pinned(), [""; 0]);
        place.has_attached(0);
    });
}

#[test]
#[ignore = "the attack, which takes minutes"]
fn unpin_removes_the_pin_or_does_not() {
    let pinned = || {
        let loaded = Loaded::new();
        let map = loaded.ebpf.map("LENGTHS").unwrap();
        map.data().pin(loaded.path()).unwrap();
        loaded
    };
    let unpin = |loaded: &Loaded| {
        let path = loaded.path();
        loaded.place.command(["unpin".as_ref(), path.as_os_str()])
    };
    strike("unpin", 40, pinned, unpin, |loaded, end| match end {
        End::Done => assert_eq!(loaded.place.pinned(), [""; 0]),
        End::Failed => assert_eq!(loaded.place.pinned(), ["pin"]),
        End::Killed => {}
    });
}

#[test]
#[ignore = "the attack, which takes minutes"]
fn detaching_a_link_is_done_or_not() {
    let detach = |loaded: &Loaded| {
        let id = loaded.id("link").to_string();
        loaded.place.command(["link", "detach", &id])
    };
    strike("link detach", 60, Loaded::new, detach, |loaded, end| {
        let attached = loaded.place.attached();
        match end {
            End::Done => assert_eq!(attached, 0),
            End::Failed => assert_eq!(attached, 1),
            End::Killed => {}
        }
    });
}

/// Commands that write one file, over one that is there.
#[test]
#[ignore = "the attack, which takes minutes"]
fn files_are_written_whole_or_not_at_all() {
    let before = || {
        let dir = TempDir::new().unwrap();
        fs::write(dir.join("out"), "before").unwrap();
        dir
    };
    let watcher = object("watcher").display().to_string();
    let running = "/sys/kernel/btf/vmlinux";
    let commands: [&[&str]; 3] = [
        &["ld", &watcher, "-o", "@"],
        &["bindgen", "Counter", "--btf", &watcher, "-o", "@"],
        &["btf", "min", running, "@", &watcher],
    ];
    for words in commands {
        let command = |dir: &TempDir| {
            let out = dir.join("out").display().to_string();
            support::command(words.iter().map(|word| word.replace('@', &out)))
        };
        let whole = before();
        support::run(&mut command(&whole)).code(0);
        let whole = fs::read(whole.join("out")).unwrap();
        strike(&words[..2].join(" "), 60, before, command, |dir, end| {
            let written = fs::read(dir.join("out")).unwrap();
            match end {
                End::Done => assert!(written == whole),
                End::Failed => assert!(written == b"before"),
                End::Killed => assert!(written == b"before" || written == whole),
            }
            if end == End::Killed {
                support::run(&mut command(dir)).code(0);
            }
            assert_eq!(tree(dir.path()), ["out"]);
        });
    }
}

#[test]
#[ignore = "the attack, which takes minutes"]
fn a_new_project_is_whole_or_not_there() {
    let before = || TempDir::new().unwrap();
    for inside in [false, true] {
        let before = || {
            let dir = before();
            if inside {
                fs::create_dir(dir.join("wall")).unwrap();
            }
            dir
        };
        let command = |dir: &TempDir| {
            let mut command = support::command(["new", "wall"]);
            command.current_dir(dir.path());
            command
        };
        let whole = before();
        support::run(&mut command(&whole)).code(0);
        let whole = tree(whole.path());
        let name = if inside { "new, in a directory" } else { "new" };
        strike(name, 80, before, command, |dir, end| {
            let made = tree(dir.path());
            match end {
                End::Done => assert_eq!(made, whole),
                End::Failed if inside => assert_eq!(made, ["wall"]),
                End::Failed => assert_eq!(made, [""; 0]),
                End::Killed if made == whole => {}
                // The manifest comes last.
                End::Killed => {
                    assert!(!dir.join("wall/Cargo.toml").exists());
                    support::run(&mut command(dir)).code(0);
                    assert_eq!(tree(dir.path()), whole);
                }
            }
        });
    }
}

/// `hachi doctor` asks so much that its calls are others each time. Whatever fails, it tells what
/// it could find out in one whole document, or why it could not.
#[test]
#[ignore = "the attack, which takes minutes"]
fn doctor_tells_what_it_can() {
    require_bpf!();
    if !hachi_test::is_root() {
        hachi_test::skip!("seccomp(2) without further ado needs root");
    }
    let cache = TempDir::new().unwrap();
    let command = || {
        let mut command = support::command(["doctor", "--json"]);
        command.env("HACHI_CACHE", cache.path());
        command
    };
    let fine = inject(&mut command(), None).unwrap();
    let places: Vec<_> = (0..fine.calls.len())
        .flat_map(|position| ERRORS.map(|(errno, name)| (position, errno, name)))
        .collect();
    for (position, errno, name) in Random::of("doctor").sample(places, 10) {
        let stroke = Injected::Error(errno);
        let run = inject(&mut command(), Some((position, stroke))).unwrap();
        let call = run.calls.get(position).map_or("?", String::as_str);
        let what = format!("{name} in place of call {position}, {call}");
        let said = String::from_utf8_lossy(&run.output.stderr);
        assert!(!said.contains("panicked"), "{what}: {said}");
        let document = serde_json::from_slice::<serde_json::Value>(&run.output.stdout);
        match run.output.status.code() {
            // What is missing is in the document and in the exit code.
            Some(0 | 1 | 3) if document.is_ok() => {}
            Some(1 | 3) if run.output.stdout.is_empty() => {
                assert!(said.contains("error: "), "{what}: {said}");
            }
            code => panic!("{what}: {code:?}: {said}\n{document:?}"),
        }
    }
}

/// The commands that only look say what they say otherwise, or which error kept them from it: what
/// could not be looked at is not told as if it were not there.
#[test]
#[ignore = "the attack, which takes minutes"]
fn listing_commands_show_everything_or_say_why_not() {
    require_bpf!();
    if !hachi_test::is_root() {
        hachi_test::skip!("seccomp(2) without further ado needs root");
    }
    let watcher = object("watcher").display().to_string();
    let loaded = Loaded::new();
    let id = loaded.id("map").to_string();
    // Not `doctor`, which has a test of its own: its calls are others each time.
    let commands: [&[&str]; 8] = [
        &["link", "list"],
        &["prog", "list"],
        &["map", "list"],
        &["map", "dump", &id],
        &["inspect", &watcher],
        &["dis", &watcher],
        &["check", &watcher],
        &["btf", "dump", &watcher],
    ];
    let mut wrong = Vec::new();
    for words in commands {
        let name = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        let command = || {
            let mut command = loaded.place.command(words);
            // Once a minute another process comes or goes.
            command.env(
                "HACHI_CACHE",
                loaded.place.bpffs.path().with_extension("cache"),
            );
            command
        };
        let fine = inject(&mut command(), None).unwrap();
        // Permissions are another matter: what a user may not see is left out.
        let errors = [
            (libc::ENOMEM, "ENOMEM"),
            (libc::EMFILE, "EMFILE"),
            (libc::EINTR, "EINTR"),
        ];
        // To look at a name takes no descriptor, and where the kernel lacks the memory for that,
        // processes do not live to tell.
        let is_struck = |position: &usize| !fine.calls[*position].starts_with("statx");
        let places: Vec<_> = (0..fine.calls.len())
            .filter(is_struck)
            .flat_map(|position| errors.map(|error| (position, error)))
            .collect();
        for (position, (errno, constant)) in Random::of(&name).sample(places, 30) {
            let stroke = Injected::Error(errno);
            let run = inject(&mut command(), Some((position, stroke))).unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (stdout, stderr) = (text(&run.output.stdout), text(&run.output.stderr));
            let sentence = io::Error::from_raw_os_error(errno).to_string();
            let sentence = sentence.split(" (os error").next().unwrap_or(&sentence);
            let is_told = [&stdout, &stderr]
                .iter()
                .any(|said| said.contains(sentence) || said.contains(constant));
            // What other tests load comes and goes.
            let is_same = || {
                let again = inject(&mut command(), None).unwrap();
                run.output.status == fine.output.status
                    && has_all_that_stays(
                        &stdout,
                        [&fine, &again].map(|run| text(&run.output.stdout)),
                    )
            };
            let is_end = matches!(run.output.status.code(), Some(0 | 1 | 3));
            if is_end && !stderr.contains("panicked") && (is_told || is_same()) {
                continue;
            }
            let call = run.calls.get(position).map_or("?", String::as_str);
            let before = &run.calls[position.saturating_sub(4).min(run.calls.len())..];
            let what = format!("{name}: {constant} in place of call {position}, {call}");
            eprintln!(
                "{what}; calls around it: {:?}",
                &before[..before.len().min(8)]
            );
            eprintln!(
                "{:?}\nstdout: {stdout}\nstderr: {stderr}",
                run.output.status
            );
            eprintln!("fine: {}", text(&fine.output.stdout));
            wrong.push(what);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether a list has all lines that are the same in two others, made before and after it. Columns
/// may be of other widths.
fn has_all_that_stays(list: &str, others: [String; 2]) -> bool {
    let lines = |text: &str| -> BTreeSet<String> {
        let words = text.lines().map(str::split_whitespace);
        words
            .map(|words| words.collect::<Vec<_>>().join(" "))
            .collect()
    };
    let [before, after] = others.map(|text| lines(&text));
    let list = lines(list);
    before.intersection(&after).all(|line| list.contains(line))
}
