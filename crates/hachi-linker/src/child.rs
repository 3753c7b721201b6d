//! LLVM in a process of its own.
//!
//! Code generators abort or crash on code they were not made for. A user of eBPF meets that far
//! more often than others do, and must still be told which function it was.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsRawFd, FromRawFd},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    thread,
};

use crate::{
    Code, Diagnostic, Error, names,
    wire::{self, Failure, Outcome},
};

/// LLVM recurses deeply over large functions. Untouched pages cost nothing.
const STACK: usize = 256 << 20;

/// Runs `job`, which uses the library `llvm`, in a child process and brings back what it returns; a
/// crash becomes a diagnostic.
///
/// # Errors
/// [`Error::Process`] when the child cannot be started or watched, [`Error::Rejected`] when the job
/// fails or dies.
pub(crate) fn run(
    job: impl FnOnce() -> Outcome + Send,
    llvm: &Path,
) -> Result<wire::Compiled, Error> {
    let (mut result, result_writer) = pipe().map_err(Error::Process)?;
    let (mut stderr, stderr_writer) = pipe().map_err(Error::Process)?;
    // SAFETY: the child goes on with this thread alone. It touches no lock that another thread may
    // have held except those of the allocator and the dynamic linker, which the C library hands
    // over in a usable state.
    match unsafe { libc::fork() } {
        -1 => Err(Error::Process(io::Error::last_os_error())),
        0 => {
            // SAFETY: both descriptors are open.
            unsafe { libc::dup2(stderr_writer.as_raw_fd(), 2) };
            child(job, result_writer)
        }
        pid => {
            drop((result_writer, stderr_writer));
            let talk = thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                text
            });
            let mut message = Vec::new();
            let read = result.read_to_end(&mut message);
            let status = wait(pid).map_err(Error::Process)?;
            read.map_err(Error::Process)?;
            let talk = talk.join().unwrap_or_default();
            match wire::decode(&message) {
                Some(Ok(compiled)) => Ok(compiled),
                Some(Err(Failure::Rejected(diagnostics))) => Err(Error::Rejected(diagnostics)),
                Some(Err(Failure::Unusable(fault))) => Err(Error::LlvmUnusable {
                    path: llvm.into(),
                    problem: fault.into(),
                }),
                None => Err(Error::Rejected(vec![post_mortem(
                    status,
                    &String::from_utf8_lossy(&talk),
                )])),
            }
        }
    }
}

/// The child's side: never returns, so that nothing of the parent's is run or flushed twice.
fn child(job: impl FnOnce() -> Outcome + Send, mut result: File) -> ! {
    let work = AssertUnwindSafe(|| {
        thread::scope(|scope| {
            let worker = thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, job)?;
            Ok::<_, io::Error>(worker.join())
        })
    });
    let code = match catch_unwind(work) {
        Ok(Ok(Ok(outcome))) => match result.write_all(&wire::encode(&outcome)) {
            Ok(()) => 0,
            Err(_) => 1,
        },
        // The panic has already been printed, and the parent reads that.
        _ => 1,
    };
    // SAFETY: ends the process at once; destructors of LLVM and of the parent's objects are not
    // wanted.
    unsafe { libc::_exit(code) }
}

fn pipe() -> io::Result<(File, File)> {
    let mut fds = [0; 2];
    // SAFETY: `fds` has room for the two descriptors.
    if unsafe { libc::pipe(fds.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // Another thread's children must not hold our write end open.
    for fd in fds {
        // SAFETY: the descriptor was just opened.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: both descriptors are open and owned by nobody else.
    Ok(unsafe { (File::from_raw_fd(fds[0]), File::from_raw_fd(fds[1])) })
}

fn wait(pid: libc::pid_t) -> io::Result<libc::c_int> {
    let mut status = 0;
    loop {
        // SAFETY: `pid` is our child and `status` a valid place.
        if unsafe { libc::waitpid(pid, &mut status, 0) } == pid {
            return Ok(status);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// A jump of more than 32,767 instructions.
pub(crate) fn jump_too_far() -> Diagnostic {
    Diagnostic::error(Code::JUMP_TOO_FAR, "a jump is too far for its instruction")
        .help("split the function, or build with cpu v4, which has longer jumps")
}

/// Explains a death from what LLVM printed on its way down.
fn post_mortem(status: libc::c_int, talk: &str) -> Diagnostic {
    if talk.contains("Branch target out of insn range") {
        return jump_too_far();
    }
    let how = if libc::WIFSIGNALED(status) {
        match libc::WTERMSIG(status) {
            libc::SIGKILL => "was killed (out of memory?)".to_owned(),
            libc::SIGSEGV | libc::SIGBUS => "crashed".to_owned(),
            libc::SIGABRT => "gave up".to_owned(),
            signal => format!("was ended by signal {signal}"),
        }
    } else {
        "ended without a result".to_owned()
    };
    let said = talk
        .lines()
        .find_map(|line| line.strip_prefix("LLVM ERROR: "))
        .or_else(|| talk.lines().find(|line| line.contains("panicked at")))
        .or_else(|| {
            talk.lines()
                .find(|line| !line.trim().is_empty() && !line.contains("PLEASE submit"))
        });
    // "Running pass 'BPF DAG->DAG Pattern Instruction Selection' on function '@name'"; the last one
    // is the innermost.
    let function = talk
        .lines()
        .rev()
        .find_map(|line| line.split_once("on function '@")?.1.strip_suffix('\''))
        .or_else(|| {
            talk.lines()
                .find_map(|line| line.strip_prefix("In function: "))
        });
    let mut d = Diagnostic::error(
        Code::LLVM_FAILED,
        format!("LLVM {how} while generating eBPF code"),
    );
    if let Some(name) = function {
        d = d.in_function(names::demangle(name.trim_matches('"')));
    }
    if let Some(said) = said {
        d = d.note(format!("LLVM says: {}", names::demangle_all(said)));
    }
    d.help("simplify that function; `--save-temps DIR` keeps the code LLVM was given")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Compiled;

    /// Past the test harness's capture, which replaces what `eprintln!` writes to.
    fn say(text: &str) {
        // SAFETY: the text is that long, and descriptor 2 is the child's pipe.
        unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    }

    #[test]
    fn a_result_comes_back() {
        let compiled = run(
            || {
                Ok(Compiled {
                    object: vec![7; 1 << 20],
                    ..Compiled::default()
                })
            },
            Path::new(""),
        )
        .unwrap();
        assert_eq!(compiled.object.len(), 1 << 20);
    }

    #[test]
    fn a_crash_names_the_function() {
        let error = run(
            || {
                say("LLVM ERROR: Cannot select: AtomicFence\n");
                say("1.\tRunning pass 'Selection' on function '@_RNvC1a3foo'\n");
                // SAFETY: ends this child process.
                unsafe { libc::abort() }
            },
            Path::new(""),
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("LLVM gave up"), "{text}");
        assert!(text.contains("`a::foo`"), "{text}");
        assert!(text.contains("Cannot select: AtomicFence"), "{text}");
    }

    #[test]
    fn a_jump_that_is_too_far_is_not_a_failure_of_llvm() {
        let error = run(
            || {
                say("LLVM ERROR: Branch target out of insn range\n");
                // SAFETY: ends this child process.
                unsafe { libc::abort() }
            },
            Path::new(""),
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("a jump is too far"), "{text}");
        assert!(!text.contains("LLVM"), "{text}");
    }

    #[test]
    fn a_panic_is_reported() {
        let error = run(
            || {
                std::panic::set_hook(Box::new(|info| say(&info.to_string())));
                panic!("broken invariant")
            },
            Path::new(""),
        )
        .unwrap_err();
        assert!(error.to_string().contains("panicked at"), "{error}");
    }
}
