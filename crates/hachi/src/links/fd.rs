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
/// To the kernel, the attachment lasts as long as something refers to the link: a descriptor, a
/// copy, a pin. Dropping this value does not leave it at closing the descriptor, though: it
/// detaches (Linux ≥ 5.9), so that the interface is free at once and for certain, also if a tool
/// that lists links holds this one for a moment. What is to go on is [pinned](Self::pin), or its
/// descriptor taken out (`OwnedFd::from(link)`).
#[derive(Debug)]
pub struct FdLink {
    /// Taken out only by the conversion to it.
    fd: Option<OwnedFd>,
    /// Whether dropping this detaches.
    armed: bool,
}

impl FdLink {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        FdLink {
            fd: Some(fd),
            armed: true,
        }
    }

    /// Opens the link with the given id (see [`loaded_links`](super::loaded_links)), whoever made
    /// it. Needs CAP_SYS_ADMIN.
    ///
    /// Dropping the result changes nothing, since the link is another's; [`detach`](Self::detach)
    /// ends it.
    pub fn from_id(id: u32) -> Result<Self, LinkError> {
        match bpf::link_fd_by_id(id) {
            Ok(fd) => Ok(FdLink {
                fd: Some(fd),
                armed: false,
            }),
            Err(error) => Err(LinkOperation::Open.failed()(error)),
        }
    }

    pub(crate) fn forget(&mut self) {
        self.armed = false;
    }

    pub(crate) fn hold(&mut self) {
        self.armed = true;
    }

    /// What the kernel says about the link.
    pub fn info(&self) -> Result<LinkInfo, SyscallError> {
        LinkInfo::of(self.as_fd())
    }

    /// Ends the attachment, also if others hold the link or it is pinned (Linux ≥ 5.9; before, and
    /// for kinds of link that cannot be forced, this only gives up our own hold).
    pub fn detach(mut self) -> Result<(), LinkError> {
        self.armed = false;
        self.force().map_err(LinkOperation::Detach.failed())
    }

    fn force(&self) -> Result<(), SyscallError> {
        match bpf::link_detach(self.as_fd()) {
            Err(error)
                if !matches!(
                    error.errno(),
                    libc::EOPNOTSUPP | ENOTSUPP | libc::EINVAL | libc::ENOLINK
                ) =>
            {
                Err(error)
            }
            // Done; or it was detached already; or the kernel cannot, and closing the descriptor
            // must do.
            _ => Ok(()),
        }
    }

    /// Makes the link run `program` from now on.
    pub fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        bpf::link_update(self.as_fd(), program.as_fd(), None)
            .map_err(LinkOperation::Update.failed())
    }

    /// Makes the link run `new` from now on, provided it runs `old` until then; else `EPERM`.
    pub fn replace(&mut self, old: &ProgramFd, new: &ProgramFd) -> Result<(), LinkError> {
        bpf::link_update(self.as_fd(), new.as_fd(), Some(old.as_fd()))
            .map_err(LinkOperation::Update.failed())
    }
}

impl Drop for FdLink {
    fn drop(&mut self) {
        if self.armed
            && self.fd.is_some()
            && let Err(error) = self.force()
        {
            log::warn!("cannot detach a link: {error}");
        }
    }
}

/// The bare descriptor, which detaches nothing but what its closing ends.
impl From<FdLink> for OwnedFd {
    fn from(mut link: FdLink) -> Self {
        link.armed = false;
        link.fd
            .take()
            .expect("only this takes it, and consumes the link")
    }
}

impl AsFd for FdLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
            .as_ref()
            .expect("only the conversion to it takes it, and consumes the link")
            .as_fd()
    }
}

impl AsRawFd for FdLink {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
