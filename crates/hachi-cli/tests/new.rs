//! `hachi new`.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use hachi_test::{TempDir, find_program, is_root, private_mounts, skip};
use support::{command, keys, run};

#[test]
fn writes_a_complete_project() {
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

    // A project is never written over files.
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
fn asks_for_the_name_at_a_terminal_only() {
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
    // The kind and where it goes, with the answer that is taken when there is none.
    let (code, text) = at_a_terminal("new", "exits\nkretprobe\nvfs_rmdr\nvfs_rmdir\n");
    assert!(
        code == Some(0) && text.contains("Kind of program [xdp]"),
        "{text}"
    );
    assert!(
        text.contains("Function of the kernel [vfs_rmdir]"),
        "{text}"
    );
    assert!(dir.join("exits/Cargo.toml").is_file(), "{text}");
    // What is said is not asked.
    let (code, text) = at_a_terminal("new gate --template xdp", "");
    assert!(
        code == Some(0) && !text.contains("Name of the project"),
        "{text}"
    );
    assert!(dir.join("gate/Cargo.toml").is_file(), "{text}");
}

#[test]
fn says_what_is_wrong_with_a_name() {
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
        .says(&["cobol", "hachi new --list"]);
    run(command(["new", "wall", "--template", "kprob"]).current_dir(dir.path()))
        .code(2)
        .says(&["no template `kprob`", "kprobe"]);
}

#[test]
fn lists_kinds_with_a_line_each() {
    let list = run(&mut command(["new", "--list"])).code(0);
    for kind in [
        "xdp",
        "classifier",
        "kprobe",
        "tracepoint",
        "iter",
        "scheduler",
        "file",
    ] {
        let lines: Vec<&str> = list
            .stdout
            .lines()
            .filter(|line| line.split(' ').next() == Some(kind))
            .collect();
        assert!(lines.len() == 1 && lines[0].len() > 30, "{kind}: {lines:?}");
    }
    let document = run(&mut command(["new", "--list", "--json"]))
        .code(0)
        .json();
    let templates = document["templates"].as_array().unwrap();
    assert_eq!(templates.len(), list.stdout.lines().count());
    for template in templates {
        assert_eq!(
            keys(template),
            ["about", "features", "name", "needs", "option"]
        );
    }
    run(&mut command(["new", "wall", "--list"])).code(2);
}

#[test]
fn lists_targets_of_this_machine() {
    let dir = TempDir::new().unwrap();
    let new = |arguments: &[&str]| {
        let all = [&["new", "probe"], arguments].concat();
        run(command(all).current_dir(dir.path()))
    };
    new(&["--iface", "lo0"])
        .code(2)
        .says(&["no interface `lo0`", "lo"]);
    new(&["--template", "tcx", "--function", "vfs_rmdir"])
        .code(2)
        .says(&["tcx has no --function", "--iface"]);
    new(&["--template", "uprobe", "--iface", "lo"])
        .code(2)
        .says(&["uprobe has no --iface", "--help"]);
    new(&["--function", "vfs_rmdir"])
        .code(2)
        .says(&["--template"]);
    new(&["--template", "tracepoint", "--tracepoint", "sched_switch"])
        .code(2)
        .says(&["`sched_switch`", "CATEGORY/NAME"]);
    new(&["--template", "kprobe", "--function", "vfs_rmdir(\"))"])
        .code(2)
        .says(&["is not the name of a function"]);
    assert_eq!(names(dir.path()), [""; 0], "nothing was made");
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        new(&["--template", "fentry", "--function", "vfs_rmdr"])
            .code(2)
            .says(&["no function `vfs_rmdr`", "vfs_rmdir"]);
        let event = ["--tracepoint", "sched/sched_swich"];
        new(&[&["--template", "tp_btf"], &event[..]].concat())
            .code(2)
            .says(&["no tracepoint `sched/sched_swich`", "sched_switch"]);
        let hook = ["--function", "inode_mkdir"];
        new(&[&["--template", "lsm"], &hook[..]].concat()).code(0);
        let program = dir.join("probe/probe-ebpf/src/main.rs");
        let program = fs::read_to_string(program).unwrap();
        assert!(
            program.contains("#[lsm(hook = \"inode_mkdir\")]"),
            "{program}"
        );
    }
}

#[test]
fn adds_files_for_ci_and_containers_when_asked() {
    let dir = TempDir::new().unwrap();
    let with = ["--ci", "github", "--container"];
    run(command([&["new", "wall"], &with[..]].concat()).current_dir(dir.path())).code(0);
    let text = |file: &str| fs::read_to_string(dir.join("wall").join(file)).unwrap();
    let ci = text(".github/workflows/ci.yml");
    for line in [
        "      - run: cargo clippy --workspace --all-targets -- -D warnings",
        "      - run: cargo test --workspace",
        "      - run: hachi test --kernel ${{ matrix.kernel }}",
    ] {
        assert!(ci.lines().any(|other| other == line), "{ci}");
    }
    let container = text("Containerfile");
    assert!(container.contains("ENTRYPOINT [\"wall\"]"), "{container}");
    run(command(["new", "bare"]).current_dir(dir.path())).code(0);
    assert!(!dir.join("bare/.github").exists() && !dir.join("bare/Containerfile").exists());
    run(command(["new", "wall", "--ci", "abacus"]).current_dir(dir.path()))
        .code(2)
        .says(&["abacus", "github"]);
}

#[test]
fn a_single_file_is_never_written_over_another() {
    let dir = TempDir::new().unwrap();
    let new = || {
        let new = ["new", "hello", "--template", "file", "--dir", "deep/er"];
        run(command(new).current_dir(dir.path()))
    };
    new()
        .code(0)
        .prints(&["hachi run deep/er/hello.rs --iface lo"]);
    let file = dir.join("deep/er/hello.rs");
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("fn hello(ctx: XdpContext)")
    );
    fs::write(&file, "mine").unwrap();
    new().code(1).says(&["hello.rs exists", "--dir"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let ci = ["new", "other", "--template", "file", "--ci", "github"];
    run(command(ci).current_dir(dir.path())).code(2);
    assert_eq!(names(dir.path()), ["deep"]);
}

#[test]
fn refuses_a_project_named_like_a_function_in_it() {
    let dir = TempDir::new().unwrap();
    run(command(["new", "blocked-source"]).current_dir(dir.path()))
        .code(2)
        .says(&["`blocked-source`", "function"]);
}

/// The names in a directory.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Runs `mount` with these arguments.
fn mount(arguments: &[&str], place: &Path) {
    let status = Command::new("mount").args(arguments).arg(place).status();
    assert!(status.expect("mount runs").success(), "{arguments:?}");
}

#[test]
fn a_full_disk_leaves_nothing_and_new_can_be_tried_again() {
    if !is_root() {
        skip!("only root can make a small file system");
    }
    private_mounts().unwrap();
    let dir = TempDir::new().unwrap();
    mount(&["-t", "tmpfs", "-o", "size=1m", "none"], dir.path());
    // The existing directory that the last of these needs.
    fs::create_dir(dir.join("there")).unwrap();
    let places = ["wall", "deep/er/wall", "there"];
    let mut failures = 0;
    // Too little room, for one more file each time; then too few files.
    let pages = (1..24).map(|pages| format!("remount,size={}k", 4 * pages));
    let inodes = (3..26).map(|files| format!("remount,size=1m,nr_inodes={files}"));
    for limit in pages.chain(inodes) {
        mount(&["-o", &limit], dir.path());
        for place in places {
            let mut new = command(["new", "wall", "--dir", place]);
            let outcome = run(new.current_dir(dir.path()));
            if outcome.code == 0 {
                let made = dir.join(place);
                assert!(
                    made.join("wall-ebpf/src/main.rs").is_file(),
                    "{limit} {place}"
                );
                let above = dir.join(place.split('/').next().unwrap());
                fs::remove_dir_all(above).unwrap();
                fs::create_dir_all(dir.join("there")).unwrap();
                continue;
            }
            failures += 1;
            let outcome = outcome.code(1).says(&["No space left"]);
            assert!(
                outcome.stdout.is_empty(),
                "{limit} {place}: {}",
                outcome.stdout
            );
            assert!(!outcome.stderr.contains(".hachi-new"), "{}", outcome.stderr);
            assert_eq!(names(dir.path()), ["there"], "{limit} {place}");
            assert_eq!(names(&dir.join("there")), [""; 0], "{limit} {place}");
        }
    }
    assert!(failures > 60, "{failures} runs failed");
    mount(&["-o", "remount,size=1m,nr_inodes=100"], dir.path());
    for place in places {
        let mut new = command(["new", "wall", "--dir", place]);
        run(new.current_dir(dir.path())).code(0);
    }
    let umount = Command::new("umount").arg(dir.path()).status();
    assert!(umount.expect("umount runs").success());
}

#[test]
fn the_next_run_removes_what_a_killed_run_left() {
    let dir = TempDir::new().unwrap();
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    for place in ["", "there"] {
        let left = dir.join(place).join(format!(".hachi-new-{}", dead.id()));
        fs::create_dir_all(left.join("wall")).unwrap();
        fs::write(left.join("wall/half"), "").unwrap();
    }
    // That of a process that runs is locked, and stays.
    let busy = format!(".hachi-new-{}", std::process::id());
    fs::create_dir(dir.join(&busy)).unwrap();
    let lock = fs::File::open(dir.join(&busy)).unwrap();
    lock.lock().unwrap();
    run(command(["new", "wall"]).current_dir(dir.path())).code(0);
    assert_eq!(names(dir.path()), [busy.as_str(), "there", "wall"]);
    run(command(["new", "wall", "--dir", "there"]).current_dir(dir.path())).code(0);
    assert!(
        !names(&dir.join("there"))
            .iter()
            .any(|name| name.starts_with(".hachi-new"))
    );
}

#[test]
fn a_new_project_is_as_readable_as_the_directory_around_it() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.join("other")).unwrap();
    run(command(["new", "wall"]).current_dir(dir.path())).code(0);
    let mode = |name| fs::metadata(dir.join(name)).unwrap().permissions().mode();
    assert_eq!(mode("wall"), mode("other"));
}

/// One line on standard error, which is all that is said.
fn only_line(stderr: &str) -> &str {
    let mut lines = stderr.lines();
    let line = lines.next().expect("something is said");
    assert_eq!(lines.next(), None, "{stderr}");
    line
}

#[test]
fn reports_a_missing_checkout_in_one_line() {
    let dir = TempDir::new().unwrap();
    let mut new = command(["new", "wall"]);
    let outcome = run(new
        .current_dir(dir.path())
        .env("HACHI_SRC", "/no/such/place"))
    .code(3);
    let line = only_line(&outcome.stderr);
    assert!(
        line.contains("HACHI_SRC") && line.contains("/no/such/place"),
        "{line}"
    );
    assert_eq!(names(dir.path()), [""; 0]);

    // The one that the command was built in.
    if !is_root() {
        skip!("only root can hide the checkout");
    }
    private_mounts().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    mount(&["-t", "tmpfs", "none"], &root.join("ebpf"));
    let outcome = run(command(["new", "wall"]).current_dir(dir.path())).code(3);
    let line = only_line(&outcome.stderr);
    assert!(
        line.contains(&*root.to_string_lossy()) && line.contains("is gone"),
        "{line}"
    );
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_project_reports_its_missing_checkout_in_one_line() {
    let dir = TempDir::new().unwrap();
    run(command(["new", "wall"]).current_dir(dir.path())).code(0);
    let manifest = dir.join("wall/Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let moved = text.replace(&*root.to_string_lossy(), "/no/such/place");
    assert_ne!(moved, text);
    fs::write(&manifest, moved).unwrap();
    for path in [".", "wall-ebpf"] {
        let outcome = run(command(["build", path]).current_dir(dir.join("wall"))).code(3);
        let line = only_line(&outcome.stderr);
        assert!(
            line.contains("/no/such/place/") && line.contains("is gone"),
            "{line}"
        );
    }
}

#[test]
fn the_runner_asks_sudo_for_the_program_alone() {
    let dir = TempDir::new().unwrap();
    run(command(["new", "wall"]).current_dir(dir.path())).code(0);
    let config = fs::read_to_string(dir.join("wall/.cargo/config.toml")).unwrap();
    let script = config
        .split("'''")
        .nth(1)
        .expect("a script in the configuration");
    let tool = |name: &str, text: &str| -> PathBuf {
        let path = dir.join("bin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let program = tool("wall", "echo ran \"$@\"");
    let test = tool("wall-0123456789abcdef", "echo tested \"$@\"");
    let sudo = tool("sudo", "echo asked \"$@\"");
    let runs = |user: &str, program: &Path, arguments: &[&str]| {
        tool("id", &format!("echo {user}"));
        let mut runner = Command::new("/bin/sh");
        runner.args(["-c", script]).arg(program).args(arguments);
        // Nothing else: a `sudo` of this machine is not to be found.
        let output = runner.env("PATH", dir.join("bin")).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    };
    let attach = ["--iface", "lo"];
    let asked = format!("asked -E {} --iface lo", program.display());
    assert_eq!(runs("1000", &program, &attach), asked);
    assert_eq!(runs("0", &program, &attach), "ran --iface lo");
    assert_eq!(runs("1000", &program, &["--help"]), "ran --help");
    assert_eq!(runs("1000", &program, &["-h"]), "ran -h");
    assert_eq!(
        runs("1000", &program, &[]),
        format!("asked -E {}", program.display())
    );
    assert_eq!(runs("1000", &test, &attach), "tested --iface lo");
    fs::remove_file(sudo).unwrap();
    assert_eq!(runs("1000", &program, &attach), "ran --iface lo");
}
