//! `bpf_link`: an attachment that is a file descriptor.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::Path,
};

use super::{LinkError, LinkInfo, OwnedLink, PinnedLink};
use crate::{
    pin::PinError,
    programs::ProgramFd,
    sys::{
        bpf,
        errno::{ENOTSUPP, SyscallError},
    },
};

/// A `bpf_link`. The attachment lasts as long as something refers to it: this descriptor, a copy, a pin. Linux ≥ 5.7.
#[derive(Debug)]
pub struct FdLink {
    fd: OwnedFd,
}

impl FdLink {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        FdLink { fd }
    }

    /// Opens the link with the given id (see [`loaded_links`](super::loaded_links)), whoever made it. Needs
    /// CAP_SYS_ADMIN. Dropping the result does not detach as long as its owner holds the link; [`detach`](Self::detach) does.
    pub fn from_id(id: u32) -> Result<Self, LinkError> {
        bpf::link_fd_by_id(id)
            .map(FdLink::new)
            .map_err(|error| LinkError::Syscall {
                operation: "open",
                error,
            })
    }

    /// What the kernel says about the link.
    pub fn info(&self) -> Result<LinkInfo, SyscallError> {
        LinkInfo::of(self.fd.as_fd())
    }

    /// Ends the attachment, also if others hold the link or it is pinned (Linux ≥ 5.9; before, and for kinds of link
    /// that cannot be forced, this only gives up our own hold).
    pub fn detach(self) -> Result<(), LinkError> {
        match bpf::link_detach(self.fd.as_fd()) {
            Ok(()) => Ok(()),
            Err(error)
                if matches!(
                    error.errno(),
                    libc::EOPNOTSUPP | ENOTSUPP | libc::EINVAL | libc::ENOLINK
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(LinkError::Syscall {
                operation: "detach",
                error,
            }),
        }
    }

    /// Makes the link run `program` from now on.
    pub fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        bpf::link_update(self.fd.as_fd(), program.as_fd(), None).map_err(|error| {
            LinkError::Syscall {
                operation: "update",
                error,
            }
        })
    }

    /// Pins the link; as [`OwnedLink::pin`].
    pub fn pin<P: AsRef<Path>>(self, path: P) -> Result<PinnedLink, PinError> {
        OwnedLink::Fd(self).pin(path)
    }
}

impl AsFd for FdLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for FdLink {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
