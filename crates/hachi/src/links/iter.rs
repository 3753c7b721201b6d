//! Iterators: links whose runs are files.

use std::{
    fs::File,
    os::fd::{AsFd as _, BorrowedFd},
};

use hachi_obj::AttachType;

use super::{FdLink, LinkError, LinkOperation, OwnedLink};
use crate::{
    fd::ProgramFd,
    sys::tracing::{self, LinkTo},
};

/// Attaches an iterator with a `union bpf_iter_link_info`, which may be empty.
pub(crate) fn attach(
    program: &ProgramFd,
    info: &[u8],
    target: &str,
) -> Result<OwnedLink, LinkError> {
    let attach_type = AttachType::TraceIter as u32;
    match tracing::link_create(program.as_fd(), attach_type, &LinkTo::Iter { info }) {
        Ok(fd) => Ok(FdLink::new(fd).into()),
        Err(error) => Err(LinkError::attach(target, error)),
    }
}

/// Starts one run.
pub(crate) fn open(link: BorrowedFd<'_>) -> Result<File, LinkError> {
    tracing::iter_create(link)
        .map(File::from)
        .map_err(LinkOperation::Run.failed())
}

impl FdLink {
    /// Runs the iterator that this link is of, from its start: what it writes (`bpf_seq_write` and
    /// the like) is what is read here. Linux ≥ 5.8.
    ///
    /// # Errors
    /// [`LinkError::Syscall`] of `BPF_ITER_CREATE`: EINVAL if the link is not that of an iterator.
    pub fn read_iter(&self) -> Result<File, LinkError> {
        open(self.as_fd())
    }
}
