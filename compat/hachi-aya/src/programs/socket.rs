//! Programs as options of sockets. Aya leaves them there; Hachi's own links take them away again.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

/// Sets an option of a socket that is a number.
pub(super) fn set(socket: BorrowedFd<'_>, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: the option's value is an `int`, which is live for the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(&value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
