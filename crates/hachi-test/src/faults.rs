//! System calls that fail.

use crate::error::{Error, Result, describe};
use crate::sys;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A system call that was made to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How many calls were made before it.
    pub position: usize,
    /// Its name; that of a command of bpf(2) with the command's number: `bpf 5`.
    pub call: String,
    /// What it returned.
    pub errno: i32,
}

/// Does `work` again and again; each time another one of the system calls that it makes fails, with
/// each of `errnos`, until all have failed. The calls are those of files, sockets, memory, perf
/// events and bpf(2); those that only free are left alone.
///
/// What `work` returns (success or failure) is dropped with all calls working, then `after` looks
/// whether anything is left. Each run is given what `before` returns.
///
/// Returns the names of the calls in the order of a run without a fault. Linux ≥ 5.5, as root;
/// neither the code under test nor other threads notice anything.
///
/// # Errors
/// Where seccomp(2) does not work.
///
/// # Panics
/// If `work` or `after` does; what the fault was is on stderr then.
pub fn each_call_fails<B: Sync, T>(
    errnos: &[i32],
    before: impl Fn() -> B,
    work: impl Fn(&B) -> T + Sync,
    after: impl Fn(B, Option<&Fault>),
) -> Result<Vec<String>> {
    let one_run = |fail: Option<(usize, i32)>| -> Result<Vec<String>> {
        let given = before();
        let calls = run(fail, || work(&given))?;
        let fault = fail.and_then(|(position, errno)| {
            let call = calls.get(position)?.clone();
            Some(Fault {
                position,
                call,
                errno,
            })
        });
        let result = catch_unwind(AssertUnwindSafe(|| after(given, fault.as_ref())));
        if let Err(panic) = result {
            eprintln!("after {fault:?} in {calls:?}");
            resume_unwind(panic);
        }
        Ok(calls)
    };
    let all = one_run(None)?;
    for &errno in errnos {
        // Not up to `all.len()`: what is opened once and kept is not opened again.
        for position in 0.. {
            if one_run(Some((position, errno)))?.len() <= position {
                break;
            }
        }
    }
    Ok(all)
}

/// One run: the calls made until `work` returned.
fn run<T>(fail: Option<(usize, i32)>, work: impl FnOnce() -> T + Send) -> Result<Vec<String>> {
    let worked = AtomicBool::new(false);
    let ended = AtomicBool::new(false);
    let name = thread::current().name().unwrap_or("faults").to_owned();
    let (sender, receiver) = mpsc::channel();
    let (calls, outcome) = thread::scope(|scope| {
        let worker = thread::Builder::new().name(name).spawn_scoped(scope, || {
            let watched = sys::watch_this_thread();
            let fine = watched.is_ok();
            let _ = sender.send(watched);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                if fine {
                    let made = work();
                    worked.store(true, Ordering::SeqCst);
                    drop(made);
                }
            }));
            ended.store(true, Ordering::SeqCst);
            outcome
        });
        let worker = worker.map_err(Error::during("starting a thread"))?;
        let listener = receiver
            .recv()
            .unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()))
            .map_err(Error::during("watching system calls"))?;
        let mut calls = Vec::new();
        let is_over = || ended.load(Ordering::SeqCst);
        let answered = answer_all(listener.as_fd(), is_over, |call| {
            if worked.load(Ordering::SeqCst) {
                return Answer::Continue;
            }
            let name = call.name();
            // Paths differ from run to run.
            let name = match name.split_once(' ') {
                Some((name, _)) if name != "bpf" => name.to_owned(),
                _ => name,
            };
            calls.push(name);
            match fail {
                Some((position, errno)) if position + 1 == calls.len() => Answer::Error(errno),
                _ => Answer::Continue,
            }
        });
        let calls = answered.map(|()| calls);
        let outcome = worker.join().unwrap_or_else(Err);
        Ok((calls, outcome))
    })?;
    let calls = calls.map_err(Error::during("answering system calls"))?;
    if let Err(panic) = outcome {
        eprintln!("call number {fail:?} failed in {calls:?}");
        resume_unwind(panic);
    }
    Ok(calls)
}

/// What is done to a call that waits.
enum Answer {
    /// It happens.
    Continue,
    /// It returns this error, and does not happen.
    Error(i32),
    /// This process ends with SIGKILL; the call does not happen.
    Kill(u32),
}

/// Answers calls until all is over.
fn answer_all(
    listener: BorrowedFd<'_>,
    is_over: impl Fn() -> bool,
    mut decide: impl FnMut(&sys::Pending) -> Answer,
) -> io::Result<()> {
    while !is_over() {
        let Some(call) = sys::next_pending(listener)? else {
            continue;
        };
        match decide(&call) {
            Answer::Continue => sys::answer(listener, &call, None)?,
            Answer::Error(errno) => sys::answer(listener, &call, Some(errno))?,
            Answer::Kill(process) => sys::kill(process)?,
        }
    }
    Ok(())
}

/// What happens to one of the calls of a program, in place of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Injected {
    /// It returns this error.
    Error(i32),
    /// Its process ends with SIGKILL.
    Kill,
}

/// A run of a program by [`inject`].
#[derive(Debug)]
pub struct InjectedRun {
    /// How it ended, and what it wrote.
    pub output: Output,
    /// The calls that it made, by name; with the number of the command of bpf(2), and with the path
    /// where there is one: `bpf 5`, `openat /sys/kernel/btf/vmlinux`.
    pub calls: Vec<String>,
}

/// How long a program may run before it is taken for one that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a program of Rust's, of whose system calls the one at a position does not happen: it fails,
/// or the process is killed instead. A position past the last call, or none, changes nothing.
///
/// The calls are those that [`each_call_fails`] has. They count from where the program itself
/// begins, behind the dynamic linker, and with those of the programs of Rust's that it starts;
/// writing to the standard streams does not count. Linux ≥ 5.5, as root.
///
/// # Errors
/// Where seccomp(2) does not work; when the program cannot be started, or has not ended after a
/// minute.
pub fn inject(command: &mut Command, at: Option<(usize, Injected)>) -> Result<InjectedRun> {
    let line = describe(command);
    let (ours, theirs) = UnixStream::pair().map_err(Error::during("making a socket"))?;
    let mut filter = sys::Filter::of_process();
    // SAFETY: between fork and exec only system calls run, which are async-signal-safe, on what
    // was made before.
    unsafe {
        command.pre_exec(move || {
            sys::become_guarded()?;
            sys::watch_this_process(&mut filter, &theirs)
        });
    }
    command.stdin(Stdio::null());
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let listening = scope.spawn(|| {
            let (process, listener) = sys::receive_descriptor(ours.as_raw_fd())?;
            count_calls(listener.as_fd(), process, &ended, at)
        });
        let output = command.output();
        ended.store(true, Ordering::SeqCst);
        // Without this a listener whose process never began would wait for it.
        let _ = ours.shutdown(Shutdown::Both);
        let output = output.map_err(Error::during(format!("starting `{line}`")))?;
        let (calls, hangs) = listening
            .join()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
            .map_err(Error::during("answering system calls"))?;
        match hangs {
            true => Err(Error::Command {
                command: line,
                output: format!(
                    "still running after {PATIENCE:?}, with {at:?}; its last calls: {:?}",
                    &calls[calls.len().saturating_sub(10)..]
                ),
            }),
            false => Ok(InjectedRun { output, calls }),
        }
    })
}

/// Answers the calls of a process and those that it starts; gives their names, and whether the
/// process had to be ended.
fn count_calls(
    listener: BorrowedFd<'_>,
    process: u32,
    ended: &AtomicBool,
    at: Option<(usize, Injected)>,
) -> io::Result<(Vec<String>, bool)> {
    let deadline = Instant::now() + PATIENCE;
    let mut calls = Vec::new();
    let mut running = BTreeSet::new();
    let hangs = Cell::new(false);
    let is_over = || {
        if Instant::now() > deadline && !hangs.replace(true) {
            let _ = sys::kill(process);
        }
        ended.load(Ordering::SeqCst)
    };
    answer_all(listener, is_over, |call| {
        // Without a process there is no call left to answer.
        let Ok(process) = call.process() else {
            return Answer::Continue;
        };
        if call.is_first() {
            running.insert(process);
            return Answer::Continue;
        }
        if !running.contains(&process) {
            return Answer::Continue;
        }
        calls.push(call.name());
        match at {
            Some((position, injected)) if position + 1 == calls.len() => match injected {
                Injected::Error(errno) => Answer::Error(errno),
                Injected::Kill => Answer::Kill(process),
            },
            _ => Answer::Continue,
        }
    })?;
    Ok((calls, hangs.get()))
}
