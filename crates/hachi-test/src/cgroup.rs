//! A control group to attach to.

use crate::error::{Error, Result};
use crate::maker::Maker;
use crate::tempdir::{self, unique_name};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// A cgroup (version 2) of our own, removed on drop once the processes in it have ended.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    maker: Maker,
}

impl Cgroup {
    /// Makes one below the root of the version 2 hierarchy, wherever that is mounted.
    ///
    /// # Errors
    /// Where no version 2 hierarchy is mounted, or without the privilege.
    pub fn new() -> Result<Self> {
        let root = Self::root()?;
        for stale in tempdir::stale_entries(&root) {
            // Removes only empty groups; the kernel refuses any other.
            let _ = std::fs::remove_dir(stale);
        }
        let path = root.join(unique_name());
        std::fs::create_dir(&path)
            .map_err(Error::during(format!("creating cgroup {}", path.display())))?;
        Ok(Self {
            path,
            maker: Maker::this(),
        })
    }

    fn root() -> Result<PathBuf> {
        let mounts = std::fs::read_to_string("/proc/self/mounts")
            .map_err(Error::during("reading /proc/self/mounts"))?;
        mounts
            .lines()
            .map(|line| line.split(' '))
            .find_map(|mut fields| {
                let target = fields.nth(1)?;
                (fields.next() == Some("cgroup2")).then(|| target.into())
            })
            .ok_or(Error::NoCgroups)
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes `command` run inside the group.
    ///
    /// # Errors
    /// When the group's member list cannot be opened.
    pub fn enter<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        let members = self.path.join("cgroup.procs");
        let members = File::options()
            .write(true)
            .open(&members)
            .map_err(Error::during(format!("opening {}", members.display())))?;
        // SAFETY: between fork and exec only write(2) on an open file runs: async-signal-safe and
        // without allocation. "0" is the writer itself.
        unsafe {
            command.pre_exec(move || (&members).write_all(b"0"));
        }
        Ok(command)
    }

    /// Runs `work` in a thread that is a member of the group for that time, and so are the sockets
    /// it makes, and the threads. The group becomes a threaded one, which a process can be a member
    /// of with some of its threads.
    ///
    /// # Panics
    /// If the thread cannot enter the group: the whole process must be in the root of the hierarchy
    /// or in the group above. And if `work` panics.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || -> std::io::Result<()> {
            let kind = self.path.join("cgroup.type");
            if std::fs::read_to_string(&kind)?.trim() != "threaded" {
                std::fs::write(&kind, "threaded")?;
            }
            std::fs::write(self.path.join("cgroup.threads"), "0")
        };
        let current = thread::current();
        // The same name, so that what `skip!` and panics say still names the test.
        let name = current.name().unwrap_or("cgroup").to_owned();
        thread::scope(|scope| {
            thread::Builder::new()
                .name(name)
                .spawn_scoped(scope, || {
                    if let Err(error) = enter() {
                        panic!("a thread cannot enter {}: {error}", self.path.display());
                    }
                    work()
                })
                .expect("starting a thread")
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Makes a cgroup below this one, which goes when it is dropped: before this one.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn child(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        std::fs::create_dir(&path)
            .map_err(Error::during(format!("creating cgroup {}", path.display())))?;
        Ok(Self {
            path,
            maker: Maker::this(),
        })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if !self.maker.is_this() {
            return;
        }
        // A member that was just killed stays for a moment; waiting a little is all one can do.
        for _ in 0..50 {
            if std::fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_runs_inside() {
        if !crate::is_root() {
            crate::skip!("cgroups need root");
        }
        let group = match Cgroup::new() {
            Ok(group) => group,
            Err(error @ Error::NoCgroups) => crate::skip!("{error}"),
            Err(error) => panic!("{error}"),
        };
        let mut command = Command::new("cat");
        command.arg("/proc/self/cgroup");
        let output = group.enter(&mut command).unwrap().output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let name = group.path().file_name().unwrap().to_str().unwrap();
        assert!(text.contains(name), "{text}");
        let path = group.path().to_owned();
        drop(group);
        assert!(!path.exists());
    }
}
