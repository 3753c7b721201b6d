//! The few system calls that the standard library lacks.

use std::{fs::File, io, os::fd::AsRawFd};

/// Takes the exclusive advisory lock of an open file; returns `false` when another process holds it
/// and `wait` is not set. The lock ends with the file's last descriptor, also when the process is
/// killed.
pub(crate) fn lock(file: &File, wait: bool) -> io::Result<bool> {
    let operation = libc::LOCK_EX | if wait { 0 } else { libc::LOCK_NB };
    loop {
        // SAFETY: the descriptor is open for as long as `file` is borrowed; flock takes no
        // pointers.
        if unsafe { libc::flock(file.as_raw_fd(), operation) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::WouldBlock => return Ok(false),
            _ => return Err(error),
        }
    }
}

/// The user that this process acts for.
pub(crate) fn user() -> u32 {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() }
}

/// Whether this process may install packages.
pub(crate) fn is_root() -> bool {
    user() == 0
}
