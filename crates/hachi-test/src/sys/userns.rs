//! System calls around a user namespace with a BPF file system of its own.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::check;

fn check_long(result: libc::c_long) -> io::Result<libc::c_int> {
    // Descriptors and zeroes fit an int.
    check(result as libc::c_int)
}

/// Moves this process into a user, a mount and a network namespace of its own.
///
/// Async-signal-safe: may run between `fork` and `exec`.
pub fn unshare_user() -> io::Result<()> {
    let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWNET;
    // SAFETY: no pointers; changes only the calling process's namespaces.
    check(unsafe { libc::unshare(flags) }).map(drop)
}

/// A BPF file system of the calling process's user namespace, to be configured. Async-signal-safe.
pub fn open_bpffs() -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: libc::c_long = 1;
    // SAFETY: the name is NUL-terminated.
    let fd =
        check_long(unsafe { libc::syscall(libc::SYS_fsopen, c"bpf".as_ptr(), FSOPEN_CLOEXEC) })?;
    // SAFETY: a descriptor the kernel just gave us, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets one option of a file system being configured.
pub fn set_option(filesystem: BorrowedFd<'_>, key: &CStr, value: &CStr) -> io::Result<()> {
    const FSCONFIG_SET_STRING: libc::c_long = 1;
    // SAFETY: both strings are NUL-terminated and outlive the call.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            filesystem.as_raw_fd(),
            FSCONFIG_SET_STRING,
            key.as_ptr(),
            value.as_ptr(),
            0,
        )
    })
    .map(drop)
}

/// Makes the configured file system, and a mount of it that is nowhere yet.
pub fn create_mount(filesystem: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    const FSCONFIG_CMD_CREATE: libc::c_long = 6;
    const FSMOUNT_CLOEXEC: libc::c_long = 1;
    let none = std::ptr::null::<u8>();
    // SAFETY: this command takes neither key nor value.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            filesystem.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            none,
            none,
            0,
        )
    })?;
    // SAFETY: no pointers.
    let fd = check_long(unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            filesystem.as_raw_fd(),
            FSMOUNT_CLOEXEC,
            0,
        )
    })?;
    // SAFETY: a descriptor the kernel just gave us, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts a mount at `target`. Async-signal-safe.
pub fn move_mount(mount: &OwnedFd, target: &CStr) -> io::Result<()> {
    const MOVE_MOUNT_F_EMPTY_PATH: libc::c_long = 4;
    // SAFETY: both strings are NUL-terminated and outlive the call.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Room for the control message of one descriptor, aligned as its header.
#[repr(C)]
union Control {
    header: libc::cmsghdr,
    bytes: [u8; 32],
}

/// Lends `call` a message of one number and room for one descriptor.
fn with_message<T>(number: &mut u32, call: impl FnOnce(&mut libc::msghdr) -> T) -> T {
    let mut control = Control { bytes: [0; 32] };
    let mut part = libc::iovec {
        iov_base: std::ptr::from_mut(number).cast(),
        iov_len: size_of::<u32>(),
    };
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    // SAFETY: arithmetic only.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) } as _;
    call(&mut message)
}

/// Sends this process's id and a descriptor. Async-signal-safe.
pub fn send_descriptor(socket: RawFd, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut number = std::process::id();
    with_message(&mut number, |message| {
        // SAFETY: the message has room for one control message with a descriptor, which is written
        // within it.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            libc::CMSG_DATA(header)
                .cast::<RawFd>()
                .write_unaligned(descriptor.as_raw_fd());
        }
        // SAFETY: the message and what it points to are live.
        match unsafe { libc::sendmsg(socket, message, libc::MSG_NOSIGNAL) } {
            ..0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    })
}

/// Receives what [`send_descriptor`] sent. Async-signal-safe.
pub fn receive_descriptor(socket: RawFd) -> io::Result<(u32, OwnedFd)> {
    let mut number = 0;
    let descriptor = with_message(&mut number, |message| {
        // SAFETY: the message and what it points to are live and writable.
        let received = unsafe { libc::recvmsg(socket, message, libc::MSG_CMSG_CLOEXEC) };
        if received < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel filled the message; the header lies within it, if there is one.
        let descriptor = unsafe {
            let header = libc::CMSG_FIRSTHDR(message);
            if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
                // The other side is gone. (From a number: this must not allocate.)
                return Err(io::Error::from_raw_os_error(libc::EPIPE));
            }
            libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()
        };
        // SAFETY: a descriptor that was just made for us, owned by nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    })?;
    Ok((number, descriptor))
}
