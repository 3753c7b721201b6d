//! Directories of pins: made whole or not at all, undone by the command that is printed.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use hachi_test::{Bpffs, Netns, TempDir, require_bpf};
use support::{Run, hachi, object, run};

/// `hachi run OBJECT --iface lo --duration 0 --pin DIR` in this network namespace.
fn pin(netns: &Netns, object: &Path, dir: &Path) -> Run {
    let mut command = netns.command(env!("CARGO_BIN_EXE_hachi"));
    command
        .args(["run", "--iface", "lo", "--duration", "0", "--pin"])
        .arg(dir)
        .arg(object)
        .env("NO_COLOR", "1");
    run(&mut command)
}

/// What is attached in this network namespace.
fn attached(netns: &Netns) -> usize {
    let mut command = netns.command(env!("CARGO_BIN_EXE_hachi"));
    let links = run(command.args(["link", "list", "--json"])).code(0).json();
    let links = links["links"].as_array().unwrap();
    let here = |link: &&serde_json::Value| link["target"]["name"] == "lo";
    links.iter().filter(here).count()
}

/// All that is in a directory, relative to it, except what the kernel itself puts there.
fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".debug") {
            continue;
        }
        if path.is_dir() {
            found.extend(tree(&path).iter().map(|inner| format!("{name}/{inner}")));
        }
        found.push(name);
    }
    found.sort();
    found
}

/// Runs the command that a message names after this text.
fn undo(text: &str, before: &str) -> Run {
    let line = text.lines().find(|line| line.contains(before)).expect(text);
    let (_, words) = line.split_once(before).unwrap();
    let mut words = words.split_whitespace();
    assert_eq!(words.next(), Some("hachi"), "{line}");
    hachi(words)
}

#[test]
fn the_command_that_is_printed_undoes_everything() {
    require_bpf!();
    let (netns, bpffs) = (Netns::new().unwrap(), Bpffs::new().unwrap());
    for dir in ["wall", "a/b/wall", "wall/"] {
        let pinned = pin(&netns, &object("watcher"), &bpffs.join(dir)).code(0);
        let made = tree(bpffs.path());
        let dir = dir.trim_end_matches('/');
        assert!(
            made.contains(&format!("{dir}/links/watcher-lo")),
            "{made:?}"
        );
        assert!(
            !made.iter().any(|path| path.contains("unfinished")),
            "{made:?}"
        );
        assert_eq!(attached(&netns), 1);
        let undone = undo(&pinned.stdout, "to end it: ").code(0);
        assert!(
            undone.stdout.contains("links/watcher-lo"),
            "{}",
            undone.stdout
        );
        assert_eq!(tree(bpffs.path()), [""; 0], "{dir}");
        assert_eq!(attached(&netns), 0);
    }
    // A directory that somebody else has made stays.
    fs::create_dir(bpffs.join("team")).unwrap();
    let pinned = pin(&netns, &object("watcher"), &bpffs.join("team/wall")).code(0);
    undo(&pinned.stdout, "to end it: ").code(0);
    assert_eq!(tree(bpffs.path()), ["team"]);
    // An empty one is as good as none.
    pin(&netns, &object("watcher"), &bpffs.join("team")).code(0);
    hachi([
        "unpin".as_ref(),
        "-r".as_ref(),
        bpffs.join("team").as_os_str(),
    ])
    .code(0);
    assert_eq!(tree(bpffs.path()), [""; 0]);
}

#[test]
fn a_directory_that_is_taken_is_left_alone() {
    require_bpf!();
    let (netns, bpffs) = (Netns::new().unwrap(), Bpffs::new().unwrap());
    let dir = bpffs.join("wall");
    pin(&netns, &object("watcher"), &dir).code(0);
    let before = tree(bpffs.path());
    let other = Netns::new().unwrap();
    let refused = pin(&other, &object("watcher"), &dir).code(1);
    assert_eq!(tree(bpffs.path()), before);
    assert_eq!(attached(&other), 0);
    undo(&refused.stderr, "in it: ").code(0);
    // The root of a file system is nobody's own.
    pin(&netns, &object("watcher"), bpffs.path()).code(1);
    assert_eq!((tree(bpffs.path()).len(), attached(&netns)), (0, 0));
}

/// What a command leaves that is killed before it is done is found, and named.
#[test]
fn names_and_undoes_the_pins_of_a_killed_run() {
    require_bpf!();
    let (netns, bpffs) = (Netns::new().unwrap(), Bpffs::new().unwrap());
    let dir = bpffs.join("wall");
    pin(&netns, &object("watcher"), &dir).code(0);
    fs::rename(&dir, bpffs.join("wall-unfinished")).unwrap();
    let refused = pin(&netns, &object("watcher"), &dir)
        .code(1)
        .says(&["killed"]);
    undo(&refused.stderr, "it left: ").code(0);
    assert_eq!((tree(bpffs.path()).len(), attached(&netns)), (0, 0));
}

/// The same names as in `programs/names.c`, as long.
#[test]
fn names_that_lead_out_of_the_directory_are_refused() {
    require_bpf!();
    let (netns, bpffs) = (Netns::new().unwrap(), Bpffs::new().unwrap());
    let dir = TempDir::new().unwrap();
    let path = dir.join("names.o");
    let outside = bpffs.join("outside");
    fs::create_dir(&outside).unwrap();
    for name in ["PROGNAMEPROGNAME", "MAPNAMEMAPNAME"] {
        for hostile in ["../../outside", "/sys/fs/bpf/a", "a/b", "/"] {
            let hostile = format!("{hostile:x<width$}", width = name.len());
            let mut bytes = fs::read(object("names")).unwrap();
            for at in 0..bytes.len() - name.len() {
                if bytes[at..].starts_with(name.as_bytes()) {
                    bytes[at..at + name.len()].copy_from_slice(hostile.as_bytes());
                }
            }
            fs::write(&path, bytes).unwrap();
            let before = tree(bpffs.path());
            pin(&netns, &path, &bpffs.join("pins/of/this"))
                .code(1)
                .says(&[&format!("{hostile:?}"), "slash"]);
            assert_eq!(tree(bpffs.path()), before, "{hostile}");
            assert_eq!(attached(&netns), 0);
        }
    }
}

/// A name with a dot, which a BPF file system does not take: an interface of a VLAN has one.
#[test]
fn names_with_dots_are_pinned_without() {
    require_bpf!();
    let (netns, bpffs) = (Netns::new().unwrap(), Bpffs::new().unwrap());
    let mut ip = netns.command("ip");
    let made = ip
        .args(["link", "add", "lo.7", "type", "veth", "peer", "name", "lo7"])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        hachi_test::skip!("no interface of type veth");
    }
    let mut command: Command = netns.command(env!("CARGO_BIN_EXE_hachi"));
    command
        .args(["run", "--iface", "lo.7", "--duration", "0", "--pin"])
        .arg(bpffs.join("wall"))
        .arg(object("watcher"));
    run(&mut command).code(0);
    assert!(bpffs.join("wall/links/watcher-lo_7").exists());
}
