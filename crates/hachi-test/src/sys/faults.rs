//! System calls of a thread or a process, watched and answered by another thread
//! (seccomp_unotify(2)).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::{check, send_descriptor, wait_readable};

/// Calls that get or give back something, or may fail in the middle of it. Not among them: what
/// only frees (`close`, `munmap`), which cannot fail in a way that matters, and anonymous memory.
#[rustfmt::skip]
pub const WATCHED: &[(libc::c_long, &str)] = &[
    (libc::SYS_bpf, "bpf"),
    (libc::SYS_perf_event_open, "perf_event_open"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_mmap, "mmap"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_read, "read"),
    (libc::SYS_write, "write"),
    (libc::SYS_statfs, "statfs"),
    (libc::SYS_statx, "statx"),
    (libc::SYS_getdents64, "getdents64"),
    (libc::SYS_fcntl, "fcntl"),
    (libc::SYS_socket, "socket"),
    (libc::SYS_bind, "bind"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_recvfrom, "recvfrom"),
    (libc::SYS_recvmsg, "recvmsg"),
    (libc::SYS_setsockopt, "setsockopt"),
    (libc::SYS_getsockopt, "getsockopt"),
    (libc::SYS_epoll_create1, "epoll_create1"),
    (libc::SYS_epoll_ctl, "epoll_ctl"),
    (libc::SYS_eventfd2, "eventfd2"),
    (libc::SYS_mkdirat, "mkdirat"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_readlinkat, "readlinkat"),
    (libc::SYS_renameat, "renameat"),
    (libc::SYS_renameat2, "renameat2"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_fdatasync, "fdatasync"),
    (libc::SYS_ftruncate, "ftruncate"),
    (libc::SYS_fchmod, "fchmod"),
    (libc::SYS_fchmodat, "fchmodat"),
    (libc::SYS_pread64, "pread64"),
    (libc::SYS_pwrite64, "pwrite64"),
    (libc::SYS_signalfd4, "signalfd4"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, "mkdir"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rmdir, "rmdir"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, "unlink"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_readlink, "readlink"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, "rename"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, "chmod"),
];

/// What every program of Rust's calls first, to see that its standard streams are open.
const FIRST: [libc::c_long; 2] = [
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(not(target_arch = "x86_64"))]
    libc::SYS_ppoll,
    libc::SYS_ppoll,
];

/// Where the socket is that hands over a process's listener: a number that programs do not reach.
const SOCKET: RawFd = 1000;

/// A call that waits for its answer.
#[derive(Debug)]
pub struct Pending {
    id: u64,
    /// Its number.
    pub number: libc::c_long,
    /// Its arguments.
    pub arguments: [u64; 6],
    /// The thread that makes it.
    pub thread: u32,
}

impl Pending {
    /// Whether it is the first call of a program of Rust's, made before `main`.
    pub fn is_first(&self) -> bool {
        FIRST.contains(&self.number)
    }

    /// Its name; with the command's number for bpf(2), and the path for what takes one.
    pub fn name(&self) -> String {
        let known = WATCHED.iter().find(|(number, _)| *number == self.number);
        let name = known.map_or("?", |(_, name)| name);
        let path = match name {
            "bpf" => return format!("bpf {}", self.arguments[0]),
            "openat" | "statx" | "mkdirat" | "unlinkat" | "readlinkat" | "renameat"
            | "renameat2" | "fchmodat" => self.arguments[1],
            "mkdir" | "rmdir" | "unlink" | "readlink" | "rename" | "chmod" | "statfs" => {
                self.arguments[0]
            }
            _ => 0,
        };
        match self.text(path) {
            Some(path) if !path.is_empty() => format!("{name} {path}"),
            _ => name.to_owned(),
        }
    }

    /// The NUL-terminated text at an address of the process, as far as it can be read.
    fn text(&self, address: u64) -> Option<String> {
        let memory = File::open(format!("/proc/{}/mem", self.thread)).ok()?;
        let mut bytes = [0; 256];
        // Not over the end of a page, behind which there may be nothing.
        let room = bytes.len().min(4096 - address as usize % 4096);
        let length = memory.read_at(&mut bytes[..room], address).ok()?;
        let text = bytes[..length].split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// The process that makes it.
    pub fn process(&self) -> io::Result<u32> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.thread))?;
        let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
        line.and_then(|number| number.trim().parse().ok())
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// A filter for seccomp(2) that asks a listener about each of the [`WATCHED`] calls.
#[derive(Debug)]
pub struct Filter(Vec<libc::sock_filter>);

impl Filter {
    /// One for a thread of this process.
    fn of_thread() -> Self {
        Self::new(&[])
    }

    /// One for a process that is about to be started: it asks about the first call of its
    /// program, too.
    pub fn of_process() -> Self {
        Self::new(&FIRST)
    }

    fn new(also: &[libc::c_long]) -> Self {
        let statement = |code: u32, k: u32| libc::sock_filter {
            code: code as u16,
            jt: 0,
            jf: 0,
            k,
        };
        let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
        let answer = |k| statement(libc::BPF_RET | libc::BPF_K, k);
        // If the value loaded passes the test, the next statement but one.
        let unless = |test: u32, k: u32| libc::sock_filter {
            jt: 1,
            ..statement(libc::BPF_JMP | libc::BPF_K | test, k)
        };
        let allow = answer(libc::SECCOMP_RET_ALLOW);
        let ask = answer(libc::SECCOMP_RET_USER_NOTIF);
        // Of `struct seccomp_data`: the low half of argument n.
        let argument = |n: u32| 16 + 8 * n + if cfg!(target_endian = "big") { 4 } else { 0 };

        let mut filter = vec![load(0)];
        let also = also.iter().map(|&number| (number, ""));
        for (number, name) in WATCHED.iter().copied().chain(also) {
            let mut then = match name {
                // Anonymous memory is the allocator's.
                "mmap" => vec![
                    load(argument(3)),
                    unless(libc::BPF_JSET, libc::MAP_ANONYMOUS as u32),
                    ask,
                    allow,
                ],
                // What a test says must come through.
                "write" => vec![load(argument(0)), unless(libc::BPF_JGT, 2), allow, ask],
                // Nobody listens before the listener is handed over.
                "sendmsg" => vec![
                    load(argument(0)),
                    unless(libc::BPF_JEQ, SOCKET as u32),
                    ask,
                    allow,
                ],
                _ => vec![ask],
            };
            filter.push(libc::sock_filter {
                jt: 0,
                jf: then.len() as u8,
                ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number as u32)
            });
            filter.append(&mut then);
        }
        filter.push(allow);
        Self(filter)
    }

    /// Lets the calling thread (and those it starts) make each of the calls only when the holder of
    /// the descriptor returned has answered. For good. Async-signal-safe.
    fn install(&mut self) -> io::Result<OwnedFd> {
        let program = libc::sock_fprog {
            len: self.0.len() as u16,
            filter: self.0.as_mut_ptr(),
        };
        // SAFETY: the program and its statements are live for the call, and as many as said.
        let fd = check(unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
                &raw const program,
            )
        } as libc::c_int)?;
        // SAFETY: a descriptor the kernel just gave us, owned by nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// Watches the calling thread and those it starts, for good.
pub fn watch_this_thread() -> io::Result<OwnedFd> {
    Filter::of_thread().install()
}

/// Watches this process, which was forked and is about to become another program: the listener goes
/// to the other end of `socket`. Async-signal-safe.
pub fn watch_this_process(filter: &mut Filter, socket: &UnixStream) -> io::Result<()> {
    // SAFETY: plain integers; in the forked process nobody else has that number.
    check(unsafe { libc::dup3(socket.as_raw_fd(), SOCKET, libc::O_CLOEXEC) })?;
    let listener = filter.install()?;
    send_descriptor(SOCKET, listener.as_fd())
}

/// Ends a process with SIGKILL that waits for the answer to one of its calls.
pub fn kill(process: u32) -> io::Result<()> {
    // SAFETY: no pointers; the process cannot have ended, since one of its threads waits for us.
    check(unsafe { libc::kill(process as i32, libc::SIGKILL) }).map(drop)
}

/// The next call that waits; `None` after a while without.
pub fn next_pending(listener: BorrowedFd<'_>) -> io::Result<Option<Pending>> {
    const RECEIVE: libc::c_ulong = 0xc050_2100;
    if !wait_readable(listener, Duration::from_millis(20))? {
        return Ok(None);
    }
    // SAFETY: all-zero is a valid seccomp_notif, and what the kernel wants.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: this request writes one seccomp_notif.
    match check(unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE as _, &raw mut call) }) {
        Ok(_) => Ok(Some(Pending {
            id: call.id,
            number: call.data.nr.into(),
            arguments: call.data.args,
            thread: call.pid,
        })),
        // A signal ended the call, or the thread is gone.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lets a call fail, or else happen.
pub fn answer(listener: BorrowedFd<'_>, call: &Pending, errno: Option<i32>) -> io::Result<()> {
    const SEND: libc::c_ulong = 0xc018_2101;
    let mut answer = libc::seccomp_notif_resp {
        id: call.id,
        val: 0,
        error: errno.map_or(0, |errno| -errno),
        flags: match errno {
            Some(_) => 0,
            None => libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        },
    };
    // SAFETY: this request reads one seccomp_notif_resp.
    match check(unsafe { libc::ioctl(listener.as_raw_fd(), SEND as _, &raw mut answer) }) {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}
