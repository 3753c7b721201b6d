//! System calls that fail.

use crate::error::{Error, Result};
use crate::sys;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

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
        let calls = answer_all(listener.as_fd(), fail, &worked, &ended);
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

fn answer_all(
    listener: BorrowedFd<'_>,
    fail: Option<(usize, i32)>,
    worked: &AtomicBool,
    ended: &AtomicBool,
) -> std::io::Result<Vec<String>> {
    let mut calls = Vec::new();
    while !ended.load(Ordering::SeqCst) {
        let Some(call) = sys::next_pending(listener)? else {
            continue;
        };
        let mut errno = None;
        if !worked.load(Ordering::SeqCst) {
            errno = fail
                .filter(|&(position, _)| position == calls.len())
                .map(|(_, errno)| errno);
            let known = sys::WATCHED
                .iter()
                .find(|(number, _)| *number == call.number);
            let name = known.map_or("?", |(_, name)| name);
            calls.push(match name {
                "bpf" => format!("bpf {}", call.first),
                name => name.to_owned(),
            });
        }
        sys::answer(listener, &call, errno)?;
    }
    Ok(calls)
}
