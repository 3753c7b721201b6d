//! The system calls of this crate, as safe functions.

use std::ffi::CStr;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Moves the calling thread into a new network namespace, of which only loopback exists (down).
pub fn unshare_net() -> io::Result<()> {
    // SAFETY: no pointers; changes only the calling thread's namespaces.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// Moves the calling thread into the network namespace behind `fd`.
///
/// Async-signal-safe: may run between `fork` and `exec`.
pub fn setns_net(fd: RawFd) -> io::Result<()> {
    // SAFETY: no pointers; changes only the calling thread's namespaces, and a bad descriptor is EBADF.
    check(unsafe { libc::setns(fd, libc::CLONE_NEWNET) }).map(drop)
}

/// `mount -t bpf` on `target`.
pub fn mount_bpffs(target: &CStr) -> io::Result<()> {
    // SAFETY: all strings are NUL-terminated and outlive the call; this file system takes no data.
    check(unsafe {
        libc::mount(
            c"hachi-test".as_ptr(),
            target.as_ptr(),
            c"bpf".as_ptr(),
            libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
            std::ptr::null(),
        )
    })
    .map(drop)
}

/// Takes the mount at `target` away at once, even if it is in use.
pub fn umount_detach(target: &CStr) -> io::Result<()> {
    // SAFETY: the path is NUL-terminated and outlives the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW) })
        .map(drop)
}

/// The effective user.
pub fn effective_uid() -> u32 {
    // SAFETY: always succeeds, no arguments.
    unsafe { libc::geteuid() }
}

/// Whether a process of this id exists (it may belong to somebody else).
pub fn process_exists(pid: i32) -> bool {
    // SAFETY: signal 0 only checks, nothing is delivered.
    let result = unsafe { libc::kill(pid, 0) };
    result == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Sends `signal` to the process `pid`, which must be a child of ours that was not waited for yet.
pub fn signal_process(pid: u32, signal: i32) -> io::Result<()> {
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: no pointers; the caller vouches for the process.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Asks the kernel to end this process with SIGKILL when the thread that forked it ends, and lets
/// SIGINT end it even if this process ignores that (a shell's background jobs do, and pass it on).
///
/// Async-signal-safe: may run between `fork` and `exec`.
pub fn become_guarded() -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
    // SAFETY: SIG_DFL is a valid disposition of SIGINT.
    if unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Waits until `fd` has something to read; `false` after `timeout` without.
pub fn wait_readable(fd: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one valid pollfd, and the count says one.
    match check(unsafe { libc::poll(&mut poll, 1, millis) }) {
        Ok(ready) => Ok(ready > 0),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

/// Creates a one-element array map and drops it: the smallest thing bpf(2) does with the privilege
/// that everything else here needs.
pub fn try_bpf() -> io::Result<()> {
    #[repr(C)]
    #[derive(Default)]
    struct MapCreate {
        map_type: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
        map_flags: u32,
    }
    const BPF_MAP_CREATE: libc::c_long = 0;
    const BPF_MAP_TYPE_LPM_TRIE: u32 = 11;
    const BPF_F_NO_PREALLOC: u32 = 1;
    // An LPM trie needs CAP_BPF even where plain arrays are open to everybody.
    let attr = MapCreate {
        map_type: BPF_MAP_TYPE_LPM_TRIE,
        key_size: 8,
        value_size: 4,
        max_entries: 1,
        map_flags: BPF_F_NO_PREALLOC,
    };
    // SAFETY: `attr` is valid for reads of the size given; the kernel takes shorter attributes than
    // its own union and reads the rest as zero.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_MAP_CREATE,
            &raw const attr,
            size_of::<MapCreate>(),
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor the kernel just gave us, owned by nobody else.
    drop(unsafe { OwnedFd::from_raw_fd(fd as RawFd) });
    Ok(())
}

/// A raw packet socket of the calling thread's network namespace that receives nothing.
pub fn packet_socket() -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd =
        check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: a descriptor the kernel just gave us, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends one whole Ethernet frame out of interface number `ifindex`.
pub fn send_frame(socket: &OwnedFd, ifindex: u32, frame: &[u8]) -> io::Result<()> {
    // SAFETY: all-zero is a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = ifindex as i32;
    // SAFETY: frame and address are valid for reads of the lengths given.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as u32,
        )
    };
    match sent {
        n if n < 0 => Err(io::Error::last_os_error()),
        n if n as usize == frame.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Wakes whoever waits on the socket; errors do not matter here (the peer may be gone already).
pub fn shutdown(stream: &std::net::TcpStream) {
    let _ = stream.shutdown(Shutdown::Both);
}
