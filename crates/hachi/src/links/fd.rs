//! `bpf_link`: an attachment that is a file descriptor.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::{LinkError, LinkInfo, LinkOperation};
use crate::{
    fd::ProgramFd,
    sys::{
        bpf,
        errno::{ENOTSUPP, SyscallError},
    },
};

/// A `bpf_link`. Linux ≥ 5.7.
///
/// The attachment lasts as long as something refers to the link: a descriptor, a copy of one (in a
/// child made by fork(2), too), a pin. Dropping this value closes its descriptor and does no more;
/// [`detach`](Self::detach) ends the attachment also if others hold it. What is to go on without
/// this process is [pinned](Self::pin).
#[derive(Debug)]
pub struct FdLink {
    fd: OwnedFd,
}

impl FdLink {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        FdLink { fd }
    }

    /// Opens the link with the given id (see [`loaded_links`](super::loaded_links)), no matter who
    /// made it. Needs CAP_SYS_ADMIN.
    ///
    /// # Errors
    /// `ENOENT` when there is no such link.
    pub fn from_id(id: u32) -> Result<Self, LinkError> {
        bpf::link_fd_by_id(id)
            .map(FdLink::new)
            .map_err(LinkOperation::Open.failed())
    }

    /// What the kernel says about the link.
    ///
    /// # Errors
    /// If `BPF_OBJ_GET_INFO_BY_FD` fails, as it does on Linux < 5.8 (EINVAL).
    pub fn info(&self) -> Result<LinkInfo, SyscallError> {
        LinkInfo::of(self.as_fd())
    }

    /// Ends the attachment, also if others hold the link or it is pinned (Linux ≥ 5.9; before, and
    /// for kinds of link that cannot be forced, this only gives up our own hold).
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn detach(self) -> Result<(), LinkError> {
        match bpf::link_detach(self.as_fd()) {
            // It was detached already; or the kernel cannot, and closing the descriptor must do.
            Err(error)
                if matches!(
                    error.errno(),
                    libc::EOPNOTSUPP | ENOTSUPP | libc::EINVAL | libc::ENOLINK
                ) =>
            {
                Ok(())
            }
            result => result.map_err(LinkOperation::Detach.failed()),
        }
    }

    /// Makes the link run `program` from now on.
    ///
    /// # Errors
    /// [`LinkError::Syscall`] of `BPF_LINK_UPDATE`: EINVAL if the program is of another type, or
    /// such a link cannot change its program; ENOLINK if what it was attached to is gone.
    pub fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        bpf::link_update(self.as_fd(), program.as_fd(), None)
            .map_err(LinkOperation::Update.failed())
    }

    /// Makes the link run `new` from now on, provided it runs `old` until then; else `EPERM`.
    ///
    /// # Errors
    /// As [`update`](Self::update), and EPERM if it runs another program than `old`.
    pub fn replace(&mut self, old: &ProgramFd, new: &ProgramFd) -> Result<(), LinkError> {
        bpf::link_update(self.as_fd(), new.as_fd(), Some(old.as_fd()))
            .map_err(LinkOperation::Update.failed())
    }
}

impl From<FdLink> for OwnedFd {
    fn from(link: FdLink) -> Self {
        link.fd
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
