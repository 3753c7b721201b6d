//! Programs as options of sockets.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, RawFd},
    ptr,
};

use super::errno::SyscallError;

// `include/uapi/asm-generic/socket.h`; libc does not have all of them for all its targets.
const SO_DETACH_FILTER: libc::c_int = 27;
const SO_ATTACH_BPF: libc::c_int = 50;
const SO_ATTACH_REUSEPORT_EBPF: libc::c_int = 52;
const SO_COOKIE: libc::c_int = 57;
const SO_DETACH_REUSEPORT_BPF: libc::c_int = 68;

/// Which program of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// The one that its packets pass.
    Filter,
    /// The one that chooses among the sockets of its group (`SO_REUSEPORT`).
    Reuseport,
}

/// A socket, told from one that took over its descriptor's number: the kernel gives each a cookie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketRef {
    fd: RawFd,
    cookie: u64,
}

impl SocketRef {
    pub(crate) fn of(socket: BorrowedFd<'_>) -> Result<Self, SyscallError> {
        let fd = socket.as_raw_fd();
        match cookie(fd) {
            Ok(cookie) => Ok(SocketRef { fd, cookie }),
            Err(error) => Err(SyscallError::new("getsockopt SO_COOKIE", error)),
        }
    }

    /// Whether the descriptor is still that socket's.
    pub(crate) fn is_open(&self) -> bool {
        cookie(self.fd).is_ok_and(|cookie| cookie == self.cookie)
    }

    /// Makes `program` the one of the hook; the kernel exchanges one that is there.
    pub(crate) fn attach(&self, hook: Hook, program: BorrowedFd<'_>) -> Result<(), SyscallError> {
        let (option, call) = match hook {
            Hook::Filter => (SO_ATTACH_BPF, "setsockopt SO_ATTACH_BPF"),
            Hook::Reuseport => (
                SO_ATTACH_REUSEPORT_EBPF,
                "setsockopt SO_ATTACH_REUSEPORT_EBPF",
            ),
        };
        set(self.fd, option, program.as_raw_fd(), call)
    }

    /// Takes the program of the hook off (for [`Hook::Reuseport`] Linux ≥ 5.3).
    pub(crate) fn detach(&self, hook: Hook) -> Result<(), SyscallError> {
        let (option, call) = match hook {
            Hook::Filter => (SO_DETACH_FILTER, "setsockopt SO_DETACH_FILTER"),
            Hook::Reuseport => (
                SO_DETACH_REUSEPORT_BPF,
                "setsockopt SO_DETACH_REUSEPORT_BPF",
            ),
        };
        set(self.fd, option, 0, call)
    }
}

fn set(
    fd: RawFd,
    option: libc::c_int,
    value: libc::c_int,
    call: &'static str,
) -> Result<(), SyscallError> {
    // SAFETY: the value is a live int and its size is given.
    let result = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            option,
            ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 {
        Err(SyscallError::last(call))
    } else {
        Ok(())
    }
}

fn cookie(fd: RawFd) -> io::Result<u64> {
    let mut cookie = 0u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the value is a live u64 and its size is given.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            SO_COOKIE,
            ptr::from_mut(&mut cookie).cast(),
            &mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::UdpSocket, os::fd::AsFd as _};

    #[test]
    fn a_closed_socket_is_not_mistaken_for_another() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let reference = SocketRef::of(socket.as_fd()).unwrap();
        assert!(reference.is_open());
        drop(socket);
        // Probably with the same number.
        let _other = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(!reference.is_open());
        assert!(SocketRef::of(std::io::stdin().as_fd()).is_err());
    }
}
