//! What the agent waits for: interfaces and cgroups that come and go, changed descriptions,
//! signals.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use inotify::{Inotify, WatchMask};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::description::Description;

/// Waits for changes that concern a description.
pub struct Watch {
    interfaces: Socket,
    files: Inotify,
    watched: BTreeSet<PathBuf>,
}

/// Whether a part of a path is a pattern.
fn is_pattern(part: &str) -> bool {
    part.contains(['*', '?', '['])
}

impl Watch {
    /// Watches the interfaces of this network namespace, the files of a description, and the
    /// directories in which its cgroups are or may appear.
    ///
    /// # Errors
    /// If the system gives no socket or no inotify.
    pub fn new(description: &Description) -> io::Result<Watch> {
        let mut interfaces = Socket::new(NETLINK_ROUTE)?;
        interfaces.bind(&SocketAddr::new(0, 0))?;
        interfaces.add_membership(libc::RTNLGRP_LINK)?;
        interfaces.set_non_blocking(true)?;
        let mut watch = Watch {
            interfaces,
            files: Inotify::init()?,
            watched: BTreeSet::new(),
        };
        watch.follow(description)?;
        Ok(watch)
    }

    /// Watches what a description names now, besides what is watched already.
    ///
    /// # Errors
    /// If inotify has no room for another directory.
    pub fn follow(&mut self, description: &Description) -> io::Result<()> {
        // Editors and ConfigMaps put new files in the place of old ones: it is the directory that
        // changes.
        let files = description.files.iter().filter_map(|file| file.parent());
        let mut directories: BTreeSet<PathBuf> = files
            .map(|directory| match directory.as_os_str().is_empty() {
                true => PathBuf::from("."),
                false => directory.to_owned(),
            })
            .collect();
        for application in &description.applications {
            for object in application.object.iter() {
                directories.extend(application.path(object).parent().map(Path::to_owned));
            }
            for pattern in &application.cgroups {
                directories.extend(directories_of(pattern));
            }
        }
        for directory in directories {
            if self.watched.contains(&directory) {
                continue;
            }
            let mask = WatchMask::CREATE
                | WatchMask::DELETE
                | WatchMask::MOVE
                | WatchMask::CLOSE_WRITE
                | WatchMask::ONLYDIR;
            match self.files.watches().add(&directory, mask) {
                Ok(_) => drop(self.watched.insert(directory)),
                // It went away meanwhile; its parent is watched too.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until something has changed, or `other` can be read, or the time is over; `true` if
    /// something has changed. A burst of changes counts once.
    ///
    /// # Errors
    /// If the system cannot wait.
    pub fn wait(&mut self, other: &[BorrowedFd<'_>], time: Option<Duration>) -> io::Result<bool> {
        let changed = self.poll(other, time)?;
        if changed {
            // An interface that appears sends several messages; they come together.
            while self.poll(&[], Some(Duration::from_millis(5)))? {}
        }
        Ok(changed)
    }

    fn poll(&mut self, other: &[BorrowedFd<'_>], time: Option<Duration>) -> io::Result<bool> {
        // SAFETY: both descriptors belong to `self`, which outlives the call.
        let (interfaces, files) = unsafe {
            (
                BorrowedFd::borrow_raw(self.interfaces.as_raw_fd()),
                BorrowedFd::borrow_raw(self.files.as_raw_fd()),
            )
        };
        let mut fds: Vec<PollFd<'_>> = [interfaces, files]
            .iter()
            .chain(other)
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let time = time.map(|time| Timespec {
            tv_sec: time.as_secs() as i64,
            tv_nsec: i64::from(time.subsec_nanos()),
        });
        match poll(&mut fds, time.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(false),
            result => result.map(drop)?,
        }
        let changed = fds[..2].iter().any(|fd| !fd.revents().is_empty());
        self.drain()?;
        Ok(changed)
    }

    /// What changed is looked up afterwards, so the messages themselves are not read.
    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.interfaces.recv(&mut &mut buffer[..], 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Messages were lost: there are changes, which is all that counts.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => return Err(error),
            }
        }
        loop {
            match self.files.read_events(&mut buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The directories in which something that fits the pattern may appear: for `/a/b*/c`, `/a` and
/// each `/a/b*`; and those above them that are named, since they may be made again.
fn directories_of(pattern: &str) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let mut prefix = PathBuf::new();
    for part in Path::new(pattern).components() {
        let text = part.as_os_str().to_string_lossy();
        if !prefix.as_os_str().is_empty() {
            let found = glob::glob(&prefix.to_string_lossy());
            let found = found.into_iter().flatten().filter_map(Result::ok);
            let deep = is_pattern(&prefix.to_string_lossy()) || is_pattern(&text);
            let missing = !prefix.join(&*text).exists();
            if deep || missing || directories.is_empty() {
                directories.extend(found.filter(|path| path.is_dir()));
            }
        }
        prefix.push(&*text);
    }
    directories
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directories_above_a_pattern_are_watched() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for name in ["pods", "pods/pod1", "pods/pod2", "other"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        let pattern = format!("{}/pods/pod*/web", root.display());
        let found = directories_of(&pattern);
        for name in ["pods", "pods/pod1", "pods/pod2"] {
            assert!(found.contains(&root.join(name)), "{name}: {found:?}");
        }
        assert!(!found.contains(&root.join("other")));
    }
}
