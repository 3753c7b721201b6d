//! What the host's side and the first process of a guest ask of the system.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::mount::MountFlags;
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::system::RebootCommand;
use rustix::time::{ClockId, Timespec};

/// A child process that is killed when this value is dropped, and by the kernel when the thread
/// that started it ends.
#[derive(Debug)]
pub(crate) struct Child(std::process::Child);

impl Child {
    /// Starts `command` with its standard input empty and pipes for stdout and stderr.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        // SAFETY: between fork and exec only prctl(2) runs, which is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                Ok(rustix::process::set_parent_process_death_signal(Some(
                    Signal::KILL,
                ))?)
            });
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// The reading end of its stdout, the first time it is asked for.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    /// Kills it, and gives what it wrote to stderr.
    pub(crate) fn end(mut self) -> String {
        let _ = self.0.kill();
        self.take_error()
    }

    /// Once it has ended, what it wrote to stderr.
    pub(crate) fn take_error(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut pipe) = self.0.stderr.take() {
            let _ = pipe.read_to_string(&mut text);
        }
        text
    }

    pub(crate) fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait_for(&mut self, limit: Duration) -> io::Result<()> {
        let deadline = Instant::now() + limit;
        while !self.has_ended()? {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_millis(3));
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both only fail when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where `program` is, by `PATH` and the directories of system programs, which a plain user's
/// `PATH` often lacks.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// `mount -t KIND -o OPTIONS SOURCE TARGET`.
pub(crate) fn mount(source: &str, target: &str, kind: &str, options: &str) -> io::Result<()> {
    let options = std::ffi::CString::new(options)?;
    rustix::mount::mount(
        source,
        target,
        kind,
        MountFlags::empty(),
        Some(options.as_c_str()),
    )?;
    Ok(())
}

/// Inserts the kernel module in the open file; one that is already there is not an error.
pub(crate) fn insert_module(module: &File) -> io::Result<()> {
    match rustix::system::finit_module(module, c"", 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Sets the wall clock to the time since 1970.
pub(crate) fn set_clock(time: Duration) -> io::Result<()> {
    let time = Timespec::try_from(time).map_err(io::Error::other)?;
    Ok(rustix::time::clock_settime(ClockId::Realtime, time)?)
}

/// Kills what is left of the process group `leader`, which was made for a child of ours.
pub(crate) fn kill_group(leader: u32) {
    let leader = i32::try_from(leader).ok().and_then(Pid::from_raw);
    if let Some(leader) = leader.filter(|leader| *leader != Pid::INIT) {
        // That none is left is fine.
        let _ = rustix::process::kill_process_group(leader, Signal::KILL);
    }
}

/// Waits for orphans that have ended, which the first process inherits.
pub(crate) fn reap() {
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
}

/// Switches the machine off; without `CAP_SYS_BOOT` it does nothing.
pub(crate) fn power_off() {
    rustix::fs::sync();
    let _ = rustix::system::reboot(RebootCommand::PowerOff);
}
