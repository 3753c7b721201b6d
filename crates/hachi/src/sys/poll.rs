//! Waiting for a descriptor to become readable or writable.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
    time::{Duration, Instant},
};

/// Waits until `fd` is readable (true) or `timeout` has passed (false; `None` waits forever). A
/// signal that interrupts the wait does not end it.
pub(crate) fn readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    wait(fd, libc::POLLIN, timeout)
}

/// As [`readable`], until `fd` is writable.
pub(crate) fn writable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    wait(fd, libc::POLLOUT, timeout)
}

/// What is left of a timeout that started when `deadline` was computed, in milliseconds; -1
/// forever. Rounded up, so that the last fraction is not spent spinning.
pub(crate) fn milliseconds_left(deadline: Option<Instant>) -> libc::c_int {
    deadline.map_or(-1, |deadline| {
        let left = deadline.saturating_duration_since(Instant::now());
        i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
    })
}

fn wait(fd: BorrowedFd<'_>, events: libc::c_short, timeout: Option<Duration>) -> io::Result<bool> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let mut poll = libc::pollfd {
            fd: fd.as_raw_fd(),
            events,
            revents: 0,
        };
        // SAFETY: one live pollfd, and its count.
        let ready = unsafe { libc::poll(&mut poll, 1, milliseconds_left(deadline)) };
        match ready {
            0 => return Ok(false),
            1.. => return Ok(true),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}
