//! Programs as options of sockets.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, RawFd},
    ptr,
};

// libc does not have all of them for all its targets.
use super::{
    errno::SyscallError,
    generated::system::{
        SIOCGSKNS, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF, SO_COOKIE, SO_DETACH_FILTER,
        SO_DETACH_REUSEPORT_BPF,
    },
};

/// Which program of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// The one that its packets pass.
    Filter,
    /// The one that chooses among the sockets of its group (`SO_REUSEPORT`).
    Reuseport,
}

/// What the sockets have in common that share a port, and a program that chooses among them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Group {
    /// Device and inode of their network namespace.
    namespace: (u64, u64),
    domain: i32,
    protocol: i32,
    /// What they are bound to, `struct sockaddr`.
    address: Vec<u8>,
    /// The interface they are bound to.
    device: Vec<u8>,
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

    /// The number that no other socket has.
    pub(crate) fn cookie(&self) -> u64 {
        self.cookie
    }

    /// The sockets that it shares its port with or would; `None` while it is not among those that
    /// get packets or connections, and a program attached to it is its own.
    pub(crate) fn group(&self) -> Option<Group> {
        let number = |option| {
            let mut bytes = [0; 4];
            let length = get(self.fd, option, &mut bytes).ok()?;
            (length == bytes.len()).then(|| i32::from_ne_bytes(bytes))
        };
        let domain = number(libc::SO_DOMAIN)?;
        let protocol = number(libc::SO_PROTOCOL)?;
        // A stream's port is shared once it listens, a datagram's once it is bound.
        if number(libc::SO_TYPE)? == libc::SOCK_STREAM && number(libc::SO_ACCEPTCONN)? == 0 {
            return None;
        }
        let address = local_address(self.fd).ok()?;
        if address.get(2..4) == Some(&[0, 0]) {
            return None;
        }
        let mut device = vec![0; libc::IFNAMSIZ];
        let length = get(self.fd, libc::SO_BINDTODEVICE, &mut device).unwrap_or(0);
        device.truncate(length);
        Some(Group {
            namespace: namespace(self.fd),
            domain,
            protocol,
            address,
            device,
        })
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
    let mut bytes = [0; 8];
    get(fd, SO_COOKIE, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// The bytes of an option's value, and how many there are.
fn get(fd: RawFd, option: libc::c_int, value: &mut [u8]) -> io::Result<usize> {
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: the value is a live buffer and its length is given.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            option,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((length as usize).min(value.len()))
}

/// The bytes of the address that the socket is bound to, `struct sockaddr_in` or `sockaddr_in6`:
/// the family, the port, the rest.
fn local_address(fd: RawFd) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size_of::<libc::sockaddr_storage>()];
    let mut length = bytes.len() as libc::socklen_t;
    // SAFETY: the buffer is live, as long as any address, and its length is given.
    let result = unsafe { libc::getsockname(fd, bytes.as_mut_ptr().cast(), &raw mut length) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    bytes.truncate(length as usize);
    Ok(bytes)
}

/// Device and inode of the socket's network namespace; zeros if this process may not ask.
fn namespace(fd: RawFd) -> (u64, u64) {
    use std::os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    };
    // SAFETY: this request takes no argument.
    let namespace = unsafe { libc::ioctl(fd, SIOCGSKNS as _) };
    if namespace < 0 {
        return (0, 0);
    }
    // SAFETY: the kernel just made this descriptor for us.
    let namespace = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(namespace) });
    (namespace.metadata()).map_or((0, 0), |about| (about.dev(), about.ino()))
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
