//! What there is to look at after an attack.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hachi::links::xdp_attachments;
use hachi_test::{Bpffs, Netns};

use crate::support::{self, Run, object};

/// A place for an XDP program and its pins.
pub struct Place {
    pub netns: Netns,
    pub bpffs: Bpffs,
}

impl Place {
    pub fn new() -> Place {
        Place {
            netns: Netns::new().unwrap(),
            bpffs: Bpffs::new().unwrap(),
        }
    }

    /// The directory of pins, below others that are missing.
    pub fn pins(&self) -> PathBuf {
        self.bpffs.join("a/b/wall")
    }

    /// `hachi ARGUMENTS…` in the network namespace.
    pub fn command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        let mut command = self.netns.command(env!("CARGO_BIN_EXE_hachi"));
        command.args(arguments).env("NO_COLOR", "1");
        command
    }

    /// `hachi run` of a program that counts packets, for some seconds.
    pub fn run_for(&self, seconds: &str, pins: bool) -> Command {
        let mut command = self.command(["run", "--iface", "lo", "--duration", seconds]);
        command.arg(object("watcher"));
        if pins {
            command.arg("--pin").arg(self.pins());
        }
        command
    }

    /// The same, which ends at once.
    pub fn run(&self) -> Command {
        self.run_for("0", false)
    }

    /// The same with all that it makes pinned.
    pub fn run_pinned(&self) -> Command {
        self.run_for("0", true)
    }

    /// Ends it all, by the command that messages name.
    pub fn undo(&self) -> Run {
        let pins = self.pins();
        let arguments = ["unpin".as_ref(), "-r".as_ref(), pins.as_os_str()];
        support::run(&mut self.command(arguments))
    }

    /// How many XDP programs are attached here.
    pub fn attached(&self) -> usize {
        self.netns.run(|| xdp_attachments().unwrap().len())
    }

    /// Waits until that many are: the kernel ends what a killed process had a little later.
    #[track_caller]
    pub fn has_attached(&self, count: usize) {
        let patience = Instant::now() + Duration::from_secs(5);
        while self.attached() != count {
            assert!(
                Instant::now() < patience,
                "{} are attached instead of {count}",
                self.attached()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What is pinned.
    pub fn pinned(&self) -> Vec<String> {
        tree(self.bpffs.path())
    }

    /// Looks at a directory of pins after something went wrong while it was made: it is there with
    /// all that is in it, or not at all, or under a name that the next run tells of.
    #[track_caller]
    pub fn is_whole_or_named(&self) {
        let pinned = self.pinned();
        if pinned.iter().any(|path| path.ends_with("-unfinished")) {
            let next = support::run(&mut self.run_pinned()).code(1);
            let undo = format!("hachi unpin -r {}", self.pins().display());
            assert!(next.stderr.contains(&undo), "{}", next.stderr);
        } else if self.pins().exists() {
            assert!(is_whole(&pinned), "{pinned:?}");
            self.has_attached(1);
        } else {
            self.has_attached(0);
            // What is left is nothing to those who come next.
            support::run(&mut self.run_pinned()).code(0);
            assert!(is_whole(&self.pinned()), "{pinned:?}");
        }
        self.undo().code(0);
        assert_eq!(self.pinned(), [""; 0], "after {pinned:?}");
        self.has_attached(0);
    }
}

/// Whether all that `run_pinned` pins is there.
pub fn is_whole(pinned: &[String]) -> bool {
    let wall = [
        "a/b/wall/links/watcher-lo",
        "a/b/wall/maps/COUNTERS",
        "a/b/wall/maps/LENGTHS",
        "a/b/wall/maps/SEEN",
        "a/b/wall/programs/watcher",
    ];
    wall.iter().all(|path| pinned.iter().any(|pin| pin == path))
        && !pinned.iter().any(|path| path.contains("unfinished"))
}

/// All that is in a directory, relative to it, except what a BPF file system has by itself.
pub fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".debug") {
            continue;
        }
        let about = path.symlink_metadata().unwrap();
        if about.is_dir() {
            found.extend(tree(&path).iter().map(|inner| format!("{name}/{inner}")));
        }
        found.push(name);
    }
    found.sort();
    found
}
