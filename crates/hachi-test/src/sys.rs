//! The system calls of this crate, as safe functions.

use hachi_obj::MapType;
use hachi_obj::flags::BPF_F_NO_PREALLOC;
use hachi_obj::uapi::bpf_cmd::BPF_MAP_CREATE;
use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

mod faults;
mod userns;
pub use faults::*;
pub use userns::*;

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
    // SAFETY: no pointers; changes only the calling thread's namespaces, and a bad descriptor is
    // EBADF.
    check(unsafe { libc::setns(fd, libc::CLONE_NEWNET) }).map(drop)
}

/// Brings the loopback interface of this network namespace up.
pub fn loopback_up() -> io::Result<()> {
    // SAFETY: no pointers.
    let fd =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: a descriptor the kernel just gave us, owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) })
        .map(drop)
}

/// The number of an interface of the calling thread's network namespace.
pub fn interface_index(name: &CStr) -> io::Result<u32> {
    // SAFETY: the name is NUL-terminated and outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
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
    // An LPM trie needs CAP_BPF even where plain arrays are open to everybody.
    let attr = MapCreate {
        map_type: MapType::LpmTrie as u32,
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

/// A TCP connection to `to` whose own address is `from` (same family), made within `timeout`.
pub fn tcp_connect_from(
    from: IpAddr,
    to: SocketAddr,
    timeout: Duration,
) -> io::Result<std::net::TcpStream> {
    let family = if to.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    // SAFETY: no pointers.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: a descriptor the kernel just gave us, owned by nobody else.
    let stream = std::net::TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    // On Linux the send timeout bounds connect(2) too (socket(7)).
    stream.set_write_timeout(Some(timeout))?;
    let (address, length) = raw_address(SocketAddr::new(from, 0));
    // SAFETY: the address is valid for reads of its length.
    check(unsafe { libc::bind(fd, (&raw const address).cast(), length) })?;
    let (address, length) = raw_address(to);
    // SAFETY: as above.
    check(unsafe { libc::connect(fd, (&raw const address).cast(), length) })?;
    Ok(stream)
}

fn raw_address(address: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: all-zero is a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let length = match address {
        SocketAddr::V4(address) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.ip().octets()),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is large and aligned enough for every address.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(raw) };
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(address) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: address.ip().octets(),
                },
                sin6_scope_id: address.scope_id(),
            };
            // SAFETY: as above.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in6>().write(raw) };
            size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, length as libc::socklen_t)
}

/// Moves this process into a mount namespace of its own, from which nothing spreads back.
pub fn private_mounts() -> io::Result<()> {
    // SAFETY: no pointers; changes only the calling thread's namespaces.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    // SAFETY: the strings are NUL-terminated constants; changing propagation takes no more.
    check(unsafe {
        libc::mount(
            std::ptr::null(),
            c"/".as_ptr(),
            std::ptr::null(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        )
    })
    .map(drop)
}

/// Set by the handler of [`on_interrupt`].
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes the first SIGINT or SIGTERM set [`INTERRUPTED`] instead of ending the process; the second
/// ends it.
pub fn on_interrupt() {
    extern "C" fn handler(signal: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
        // SAFETY: signal(2) is async-signal-safe, SIG_DFL a valid disposition.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let handler: extern "C" fn(libc::c_int) = handler;
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler does only async-signal-safe things. The signals are valid ones, so
        // this cannot fail.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

/// Has `function` called when `main` returns, or exit(3) is called.
pub fn at_exit(function: extern "C" fn()) {
    // SAFETY: the function lives as long as the program. Without memory for it nothing happens.
    unsafe { libc::atexit(function) };
}

/// Ends this process at once.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: never returns, and runs nothing of ours.
    unsafe { libc::_exit(status) }
}

/// Wakes threads that wait on the socket; errors do not matter (the peer may be gone already).
pub fn shutdown(stream: &std::net::TcpStream) {
    let _ = stream.shutdown(Shutdown::Both);
}
