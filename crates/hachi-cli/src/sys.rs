//! The system calls the command itself makes.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// The signals that ask a process to end.
pub const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// Some signals as something to wait for, instead of the end of the process.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Takes these signals over. Call before any thread is started. A SIGHUP that is ignored stays
    /// so: that is what nohup(1) does.
    pub fn take(signals: &[i32]) -> io::Result<Signals> {
        // SAFETY: `set` is initialised by sigemptyset before it is read, and lives through the
        // calls; the descriptor returned is ours alone.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            for &signal in signals {
                if signal != libc::SIGHUP || !is_ignored(signal) {
                    libc::sigaddset(&mut set, signal);
                }
            }
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
        while wait_for_data(self, &[], None)? != Waited::Signal {}
        let mut record = [0; size_of::<libc::signalfd_siginfo>()];
        File::from(self.0.try_clone()?).read_exact(&mut record)
    }
}

/// Whether the process was started with this signal ignored.
fn is_ignored(signal: i32) -> bool {
    // SAFETY: only asks; `action` is written by the call and read when that succeeded.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// What a wait ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for is there.
    Ready,
    /// A signal, which stays where it is: the next wait ends with it, too.
    Signal,
    /// The time is over.
    TimeOver,
}

/// Waits until a signal arrives, one of `fds` is readable or `timeout` is over.
pub fn wait_for_data(
    signals: &Signals,
    fds: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<Waited> {
    let fds: Vec<_> = fds.iter().map(|&fd| (fd, libc::POLLIN)).collect();
    Ok(match wait(Some(signals), &fds, timeout)? {
        (_, true) => Waited::Signal,
        (true, _) => Waited::Ready,
        _ => Waited::TimeOver,
    })
}

/// Waits until `fd` takes data, a signal arrives or `timeout` is over. While data is taken, a
/// signal keeps nobody from writing.
pub fn wait_for_room(
    fd: BorrowedFd<'_>,
    signals: Option<&Signals>,
    timeout: Option<Duration>,
) -> io::Result<Waited> {
    Ok(match wait(signals, &[(fd, libc::POLLOUT)], timeout)? {
        (true, _) => Waited::Ready,
        (_, true) => Waited::Signal,
        _ => Waited::TimeOver,
    })
}

/// Whether one of `fds` is ready, and whether there is a signal; neither when the time is over.
fn wait(
    signals: Option<&Signals>,
    fds: &[(BorrowedFd<'_>, i16)],
    timeout: Option<Duration>,
) -> io::Result<(bool, bool)> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let entry = |fd: i32, events: i16| libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    let mut entries: Vec<libc::pollfd> = fds
        .iter()
        .map(|(fd, events)| entry(fd.as_raw_fd(), *events))
        .collect();
    entries.extend(signals.map(|signals| entry(signals.0.as_raw_fd(), libc::POLLIN)));
    loop {
        // Rounded up, so that the wait is not cut into many of no length at its end.
        let millis = deadline.map_or(-1, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
        });
        // SAFETY: `entries` is a live array of the length passed.
        let ready =
            unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, millis) };
        if ready < 0 {
            match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => continue,
                error => return Err(error),
            }
        }
        if ready == 0 && millis == i32::MAX {
            continue;
        }
        let (fds, signals) = entries.split_at(fds.len());
        let is_set = |entries: &[libc::pollfd]| entries.iter().any(|entry| entry.revents != 0);
        return Ok((is_set(fds), is_set(signals)));
    }
}

/// write(2): how many bytes were written.
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: a live buffer of the length passed, which is only read.
    let written = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// Goes to the network namespace that a path names.
pub fn enter_netns(path: &Path) -> io::Result<()> {
    let netns = File::open(path)?;
    // SAFETY: a live descriptor; the call changes only which namespace this thread is in.
    match unsafe { libc::setns(netns.as_raw_fd(), libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether a call failed for want of descriptors or memory, which says nothing of what it asked.
pub fn is_shortage(errno: i32) -> bool {
    matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOMEM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn waits_for_descriptors_signals_and_the_time() {
        let (reader, writer) = UnixStream::pair().unwrap();
        let signals = Signals(reader.into());
        let (other, mut other_end) = UnixStream::pair().unwrap();
        let wait = |millis| {
            let timeout = Some(Duration::from_millis(millis));
            wait_for_data(&signals, &[other.as_fd()], timeout).unwrap()
        };
        assert_eq!(wait(5), Waited::TimeOver);
        io::Write::write_all(&mut other_end, b"x").unwrap();
        assert_eq!(wait(60_000), Waited::Ready);
        io::Write::write_all(&mut &writer, b"x").unwrap();
        assert_eq!(wait(60_000), Waited::Signal);
    }

    #[test]
    fn a_time_beyond_all_bounds_is_a_long_wait() {
        let (reader, writer) = UnixStream::pair().unwrap();
        let signals = Signals(reader.into());
        io::Write::write_all(&mut &writer, b"x").unwrap();
        let waited = wait_for_data(&signals, &[], Some(Duration::MAX)).unwrap();
        assert_eq!(waited, Waited::Signal);
    }

    #[test]
    fn a_signal_does_not_interrupt_a_write_to_a_reader() {
        let (reader, writer) = UnixStream::pair().unwrap();
        let signals = Signals(reader.into());
        io::Write::write_all(&mut &writer, b"x").unwrap();
        let (end, _other_end) = UnixStream::pair().unwrap();
        let waited = wait_for_room(end.as_fd(), Some(&signals), None).unwrap();
        assert_eq!(waited, Waited::Ready);
    }

    #[test]
    fn waits_for_a_reader() {
        let (end, _other_end) = UnixStream::pair().unwrap();
        end.set_nonblocking(true).unwrap();
        assert_eq!(
            wait_for_room(end.as_fd(), None, None).unwrap(),
            Waited::Ready
        );
        let full = loop {
            if let Err(error) = write(end.as_fd(), &[0; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        let waited = wait_for_room(end.as_fd(), None, Some(Duration::from_millis(5)));
        assert_eq!(waited.unwrap(), Waited::TimeOver);
    }
}
