//! Network namespaces.

use crate::error::{self, Error, Result};
use crate::sys;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;

/// A network namespace of our own, without a name (so two runs never meet).
///
/// Cheap to clone: clones are the same namespace. It goes away with the last clone, the last
/// process in it and the last socket made in it.
#[derive(Clone, Debug)]
pub struct Netns {
    file: Arc<File>,
}

impl Netns {
    /// Makes a namespace and brings its loopback interface up.
    ///
    /// # Errors
    /// Without `CAP_SYS_ADMIN`.
    pub fn new() -> Result<Self> {
        // A namespace belongs to a thread: a short-lived one makes it, the descriptor keeps it.
        let made = thread::spawn(|| {
            sys::unshare_net()?;
            sys::loopback_up()?;
            File::open("/proc/thread-self/ns/net")
        });
        let file = made
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
            .map_err(Error::during("making a network namespace"))?;
        Ok(Self {
            file: Arc::new(file),
        })
    }

    /// The namespace the calling thread is in.
    ///
    /// # Errors
    /// Without a mounted `/proc`.
    pub fn current() -> Result<Self> {
        let file = File::open("/proc/thread-self/ns/net")
            .map_err(Error::during("opening the current network namespace"))?;
        Ok(Self {
            file: Arc::new(file),
        })
    }

    /// A path that names this namespace for as long as this process lives: what `ip … netns PATH`,
    /// `nsenter --net=PATH` and the like take.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }

    /// Runs `work` on a thread inside the namespace and gives its result. Sockets made there belong
    /// to the namespace for good; a panic comes through.
    ///
    /// # Panics
    /// If no thread can be started, or the kernel does not let this process enter the namespace
    /// (without CAP_SYS_ADMIN).
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let current = thread::current();
        // The same name, so that what `skip!` and panics say still names the test.
        let name = current.name().unwrap_or("netns").to_owned();
        thread::scope(|scope| {
            thread::Builder::new()
                .name(name)
                .spawn_scoped(scope, || {
                    sys::setns_net(self.file.as_raw_fd())
                        .expect("entering a network namespace we hold open");
                    work()
                })
                .expect("starting a thread")
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// A command that will run inside the namespace (spawn it, or take its output).
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let file = Arc::clone(&self.file);
        // SAFETY: between fork and exec only setns(2) runs, which is async-signal-safe and
        // allocates nothing unless it fails (an io::Error from errno does not allocate either).
        unsafe {
            command.pre_exec(move || sys::setns_net(file.as_raw_fd()));
        }
        command
    }

    /// Runs `ip ARGUMENTS…` inside the namespace and gives what it printed.
    ///
    /// # Errors
    /// The program's own words when it fails.
    pub fn ip<I, S>(&self, arguments: I) -> Result<String>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let output = error::run(self.command("ip").args(arguments))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs several commands of `ip`, one a line, up to the first that fails: starting a program
    /// takes longer than what it does.
    pub(crate) fn ip_batch(&self, commands: &str) -> Result<()> {
        let (reader, mut writer) = io::pipe().map_err(Error::during("making a pipe"))?;
        writer
            .write_all(commands.as_bytes())
            .map_err(Error::during("writing to a pipe"))?;
        drop(writer);
        let mut command = self.command("ip");
        error::run(command.args(["-batch", "-"]).stdin(reader)).map(drop)
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
