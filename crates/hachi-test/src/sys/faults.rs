//! System calls of one thread, watched and answered by another (seccomp_unotify(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::{check, wait_readable};

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
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, "mkdir"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, "unlink"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_readlink, "readlink"),
];

/// A call that waits for its answer.
#[derive(Debug)]
pub struct Pending {
    id: u64,
    /// Its number.
    pub number: libc::c_long,
    /// Its first argument.
    pub first: u64,
}

/// Lets the calling thread (and those it starts) make each of the [`WATCHED`] calls only when the
/// holder of the descriptor returned has answered. For good.
pub fn watch_this_thread() -> io::Result<OwnedFd> {
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
    for &(number, name) in WATCHED {
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
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
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
            first: call.data.args[0],
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
