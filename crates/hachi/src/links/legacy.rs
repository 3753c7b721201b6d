//! Attachments that have no `bpf_link`.

use std::{fmt, path::Path};

use super::{LinkError, LinkOperation, tc_place::TcFilterPlace};
use crate::{
    fd::ProgramFd,
    pin::{PinError, PinProblem},
    sys::{errno::SyscallError, process::Maker},
};

/// One way to attach without a `bpf_link`, told what it takes to behave like one. Each is a type of
/// its own, in its own file.
pub(crate) trait Legacy: fmt::Debug + Send + Sync {
    /// Ends the attachment, unless another has taken its place since. Called once.
    fn undo(&mut self) -> Result<(), SyscallError>;

    /// Whether the attachment goes on without this process. If not, it ends when this value is
    /// dropped, whether or not that undoes it.
    fn is_persistent(&self) -> bool {
        false
    }

    /// The program to pin in place of the link, if the attachment can be found by it again.
    fn pinnable(&self) -> Option<&ProgramFd> {
        None
    }

    /// Makes the attachment run `program`.
    fn update(&mut self, _program: &ProgramFd) -> Result<(), LinkError> {
        Err(LinkError::NotUpdatable)
    }

    /// The interface it is on.
    fn if_index(&self) -> Option<u32> {
        None
    }

    /// Where the filter of a qdisc is that it is.
    fn tc_filter(&self) -> Option<TcFilterPlace> {
        None
    }
}

/// An attachment without a `bpf_link`, which detaches when it is dropped all the same: in the
/// process that made it (not in a child with a copy), and if it is still there (what another has
/// put in its place stays).
///
/// Some go on until they are undone, also when the process ends in disorder: those made by netlink
/// (XDP before Linux 5.9, filters of a qdisc), which can be pinned and kept, and programs of
/// cgroups and socket maps (but see [`CgroupAttachMode`](crate::programs::CgroupAttachMode)), which
/// can be kept. Others end with the process: programs on perf events (tracepoints, kprobes, uprobes
/// before Linux 5.15); or with the socket they are for.
#[derive(Debug)]
pub struct LegacyLink {
    inner: Box<dyn Legacy>,
    /// The process in which dropping this detaches, if any.
    undone_in: Option<Maker>,
}

impl LegacyLink {
    pub(crate) fn new(inner: impl Legacy + 'static) -> Self {
        LegacyLink {
            inner: Box::new(inner),
            undone_in: Some(Maker::this()),
        }
    }

    pub(crate) fn forget(&mut self) {
        self.undone_in = None;
    }

    pub(crate) fn hold(&mut self) {
        self.undone_in = Some(Maker::this());
    }

    pub(crate) fn detach(mut self) -> Result<(), LinkError> {
        self.undone_in = None;
        self.inner.undo().map_err(LinkOperation::Detach.failed())
    }

    pub(crate) fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        self.inner.update(program)
    }

    pub(crate) fn if_index(&self) -> Option<u32> {
        self.inner.if_index()
    }

    pub(crate) fn tc_filter(&self) -> Option<TcFilterPlace> {
        self.inner.tc_filter()
    }

    pub(crate) fn check_persistent(&self, path: &Path) -> Result<(), PinError> {
        if self.inner.is_persistent() {
            return Ok(());
        }
        Err(unsuitable(path, PinProblem::EndsWithProcess))
    }

    /// The program to pin in place of the link.
    pub(crate) fn pinnable(&self, path: &Path) -> Result<&ProgramFd, PinError> {
        self.check_persistent(path)?;
        self.inner
            .pinnable()
            .ok_or_else(|| unsuitable(path, PinProblem::Unfindable))
    }
}

fn unsuitable(path: &Path, problem: PinProblem) -> PinError {
    PinError::Unsuitable {
        path: path.to_owned(),
        problem,
    }
}

impl Drop for LegacyLink {
    fn drop(&mut self) {
        if self.undone_in.is_some_and(Maker::is_this)
            && let Err(error) = self.inner.undo()
        {
            log::warn!("cannot detach a program: {error}");
        }
    }
}
