//! Child processes that do not outlive their test.

use crate::error::{Error, Result, describe};
use crate::maker::Maker;
use crate::sys;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A child process that is ended when this value is dropped, and by the kernel when the thread that
/// started it ends.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    line: String,
    maker: Maker,
}

impl Guarded {
    /// Starts `command`; its standard input is empty.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let line = describe(command);
        // SAFETY: between fork and exec only prctl(2) and signal(2) run, which are
        // async-signal-safe.
        unsafe {
            command.pre_exec(sys::become_guarded);
        }
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .map_err(Error::during(format!("starting `{line}`")))?;
        Ok(Self {
            child,
            line,
            maker: Maker::this(),
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the end.
    ///
    /// # Errors
    /// When it has not ended after `timeout`; it is killed then.
    pub fn interrupt(self, timeout: Duration) -> Result<(ExitStatus, String)> {
        let action = format!("interrupting `{}`", self.line);
        sys::signal_process(self.child.id(), libc::SIGINT).map_err(Error::during(action))?;
        self.wait(timeout)
    }

    /// Waits for the end and gives what it wrote to a piped stdout and stderr (in this order).
    ///
    /// Only for programs that write little: the pipes are read when it has ended.
    ///
    /// # Errors
    /// When it has not ended after `timeout`; it is killed then.
    pub fn wait(mut self, timeout: Duration) -> Result<(ExitStatus, String)> {
        let deadline = Instant::now() + timeout;
        loop {
            let ended = self
                .child
                .try_wait()
                .map_err(Error::during(format!("waiting for `{}`", self.line)))?;
            if let Some(status) = ended {
                let mut text = String::new();
                if let Some(mut pipe) = self.child.stdout.take() {
                    let _ = pipe.read_to_string(&mut text);
                }
                if let Some(mut pipe) = self.child.stderr.take() {
                    let _ = pipe.read_to_string(&mut text);
                }
                return Ok((status, text));
            }
            if Instant::now() >= deadline {
                return Err(Error::Command {
                    command: self.line.clone(),
                    output: format!("still running after {timeout:?}"),
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if !self.maker.is_this() {
            return;
        }
        // Both only fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `program` is, by `PATH` and the directories of system programs (which a plain user's
/// `PATH` often lacks).
pub fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// Where a clang is that makes code for BPF, of whatever version: distributions often have it with
/// the version behind its name only.
pub fn find_clang() -> Option<PathBuf> {
    let versioned = (14..=30).rev().map(|version| format!("clang-{version}"));
    std::iter::once("clang".to_owned())
        .chain(versioned)
        .filter_map(|name| find_program(&name))
        .find(|clang| {
            let targets = Command::new(clang).arg("--print-targets").output();
            targets.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("bpf"))
        })
}

/// What this process has open, as `(number, what it is)`: for tests that look for leaks.
///
/// The names are those of `/proc/self/fd`, such as `anon_inode:bpf-map` or a file's path.
pub fn open_descriptors() -> Vec<(u32, String)> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            // The descriptor that lists the directory is closed by the time it is asked about.
            let target = std::fs::read_link(entry.path()).ok()?;
            Some((number, target.to_string_lossy().into_owned()))
        })
        .filter(|(_, target)| !target.ends_with("/fd"))
        .collect();
    found.sort();
    found
}

/// Makes this process fail at its end, even if its tests pass, when it still has a descriptor that
/// it did not have when this was called. It prints which.
///
/// What tests of a program have in common calls it before `main`, so that it counts for all of
/// them:
///
/// ```
/// #[used]
/// // SAFETY: the loader calls what is in this section, which takes no arguments.
/// #[unsafe(link_section = ".init_array")]
/// static NO_LEAKS: extern "C" fn() = {
///     extern "C" fn watch() {
///         hachi_test::fail_on_leaks();
///     }
///     watch
/// };
/// ```
pub fn fail_on_leaks() {
    allow_open_descriptors();
    sys::at_exit(look_for_leaks);
}

/// What is open now may be so when this process ends: see [`fail_on_leaks`].
pub fn allow_open_descriptors() {
    let mut allowed = ALLOWED.lock().unwrap_or_else(PoisonError::into_inner);
    *allowed = open_descriptors();
}

static ALLOWED: Mutex<Vec<(u32, String)>> = Mutex::new(Vec::new());

/// What the loader opens once and keeps: tracefs where it is not mounted (the root of a mount that
/// is nowhere), and the token of a user namespace.
const KEPT: [&str; 2] = ["/", "/bpf-token (deleted)"];

extern "C" fn look_for_leaks() {
    let allowed = ALLOWED.lock().unwrap_or_else(PoisonError::into_inner);
    let leaked = || {
        let mut now = open_descriptors();
        now.retain(|descriptor| {
            !allowed.contains(descriptor) && !KEPT.contains(&descriptor.1.as_str())
        });
        now
    };
    // A thread that was not waited for may be about to close one.
    let patience = Instant::now() + Duration::from_millis(500);
    while !leaked().is_empty() {
        if Instant::now() > patience {
            eprintln!("descriptors are left open: {:?}", leaked());
            sys::exit_now(101);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lets this process end in order on Ctrl-C: the first SIGINT or SIGTERM only makes [`interrupted`]
/// true, the second ends it.
pub fn on_interrupt() {
    sys::on_interrupt();
}

/// Whether SIGINT or SIGTERM came since [`on_interrupt`].
pub fn interrupted() -> bool {
    sys::INTERRUPTED.load(Ordering::Relaxed)
}

/// Moves this process, which must not have started a thread yet, into a mount namespace of its own.
/// What it mounts from then on only it and its children see, and it is gone when they are.
///
/// # Errors
/// Without `CAP_SYS_ADMIN`.
pub fn private_mounts() -> Result<()> {
    sys::private_mounts().map_err(Error::during("making a mount namespace"))
}
