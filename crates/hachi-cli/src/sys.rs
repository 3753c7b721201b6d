//! The system calls the command itself makes.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Lets SIGPIPE end the process, as it ends other tools (Rust's runtime ignores it).
pub fn default_sigpipe() {
    // SAFETY: restores a default disposition, before any thread is started.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

/// SIGINT and SIGTERM as something to wait for, instead of the end of the process.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Takes both signals over. Call before any thread is started.
    pub fn take() -> io::Result<Signals> {
        // SAFETY: `set` is initialised by sigemptyset before it is read, and lives through the
        // calls; the descriptor returned is ours alone.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGINT);
            libc::sigaddset(&mut set, libc::SIGTERM);
            let error = libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            if error != 0 {
                return Err(io::Error::from_raw_os_error(error));
            }
            let fd = libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Signals(OwnedFd::from_raw_fd(fd)))
        }
    }

    /// Waits for the next signal and takes it.
    pub fn next(&self) -> io::Result<()> {
        while !wait_for_signal(self, &[], None)? {}
        let mut record = [0; size_of::<libc::signalfd_siginfo>()];
        File::from(self.0.try_clone()?).read_exact(&mut record)
    }
}

/// Waits until a signal arrives, one of `fds` is readable or `timeout` is over. True when it was a
/// signal.
pub fn wait_for_signal(
    signals: &Signals,
    fds: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let entry = |fd: i32| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let mut entries = vec![entry(signals.0.as_raw_fd())];
    entries.extend(fds.iter().map(|fd| entry(fd.as_raw_fd())));
    // Rounded up, so that the wait is not cut into many of no length at its end.
    let millis = timeout.map_or(-1, |timeout| {
        i32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
    });
    // SAFETY: `entries` is a live array of the length passed.
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, millis) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::Interrupted => Ok(false),
            _ => Err(error),
        };
    }
    Ok(entries[0].revents != 0)
}

/// The index of an interface of this network namespace.
pub fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: a NUL-terminated string that lives through the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => None,
        index => Some(index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn interfaces_by_name() {
        assert!(
            interface_index("lo").is_some(),
            "every network namespace has lo"
        );
        assert_eq!(interface_index("no-such-iface"), None);
        assert_eq!(interface_index("nul\0"), None);
    }

    #[test]
    fn waits_for_descriptors_and_for_the_time() {
        let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
        let signals = Signals(reader.try_clone().unwrap().into());
        let (other, mut other_end) = std::os::unix::net::UnixStream::pair().unwrap();
        let started = std::time::Instant::now();
        let wait = |millis| {
            let timeout = Some(Duration::from_millis(millis));
            wait_for_signal(&signals, &[other.as_fd()], timeout).unwrap()
        };
        assert!(!wait(5));
        io::Write::write_all(&mut other_end, b"x").unwrap();
        assert!(!wait(60_000));
        io::Write::write_all(&mut &writer, b"x").unwrap();
        assert!(wait(60_000));
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it does not wait for nothing"
        );
    }
}
