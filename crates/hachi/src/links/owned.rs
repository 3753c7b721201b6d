//! Attachments of any kind, as values that own them.

use super::{BpfLinkUse, FdLink, LegacyLink, LinkError, LinkTarget, tc_place::TcFilterPlace};
use crate::fd::ProgramFd;

/// An attachment of any kind, owned: given up when dropped, which detaches unless a child made by
/// fork(2), another process or a pin holds it as well. A copy in such a child detaches nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnedLink {
    /// A `bpf_link`.
    Fd(FdLink),
    /// An attachment that has no `bpf_link`, as many on older kernels.
    Legacy(LegacyLink),
}

impl OwnedLink {
    /// Ends the attachment now. Dropping the link does so too unless someone else holds it, but
    /// cannot report errors. This also ends a `bpf_link` that is pinned, or held by another process
    /// (Linux ≥ 5.9).
    ///
    /// # Errors
    /// What the kernel refuses. It is not an error that the attachment has gone already, or that
    /// another program has taken its place, which is left alone.
    pub fn detach(self) -> Result<(), LinkError> {
        match self {
            OwnedLink::Fd(link) => link.detach(),
            OwnedLink::Legacy(link) => link.detach(),
        }
    }

    /// From now on, dropping this does not undo what goes on by itself.
    pub(super) fn forget(&mut self) {
        if let OwnedLink::Legacy(link) = self {
            link.forget();
        }
    }

    /// From now on, dropping this undoes what would go on by itself.
    pub(super) fn hold(&mut self) {
        if let OwnedLink::Legacy(link) = self {
            link.hold();
        }
    }

    /// Makes the attachment run `program` from now on, without a gap in between. Linux ≥ 5.7.
    ///
    /// # Errors
    /// As [`FdLink::update`] for a `bpf_link`; otherwise [`LinkError::NotUpdatable`],
    /// [`LinkError::Replaced`] if another loader has put its program there, or what the kernel
    /// answers to attaching `program` in its place.
    pub fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        match self {
            OwnedLink::Fd(link) => link.update(program),
            OwnedLink::Legacy(link) => link.update(program),
        }
    }

    /// Where it is, if it is a filter of a qdisc.
    pub fn tc_filter(&self) -> Option<TcFilterPlace> {
        match self {
            OwnedLink::Fd(_) => None,
            OwnedLink::Legacy(link) => link.tc_filter(),
        }
    }

    /// As [`update`](Self::update), provided the attachment runs `old` until then (else `EPERM`);
    /// for links of the kernel.
    ///
    /// # Errors
    /// As [`FdLink::replace`]; [`LinkError::NeedsBpfLink`] for attachments without a `bpf_link`.
    pub fn replace(&mut self, old: &ProgramFd, new: &ProgramFd) -> Result<(), LinkError> {
        match self {
            OwnedLink::Fd(link) => link.replace(old, new),
            OwnedLink::Legacy(_) => Err(LinkError::NeedsBpfLink(BpfLinkUse::Replace)),
        }
    }

    /// The index of the interface it is on; `None` when it is on none, or that is gone.
    pub fn if_index(&self) -> Option<u32> {
        let index = match self {
            OwnedLink::Fd(link) => match link.info().ok()?.target() {
                LinkTarget::Interface { index } => Some(index),
                _ => None,
            },
            OwnedLink::Legacy(link) => link.if_index(),
        };
        index.filter(|&index| index != 0)
    }
}

impl From<FdLink> for OwnedLink {
    fn from(link: FdLink) -> Self {
        OwnedLink::Fd(link)
    }
}

impl From<LegacyLink> for OwnedLink {
    fn from(link: LegacyLink) -> Self {
        OwnedLink::Legacy(link)
    }
}

impl TryFrom<OwnedLink> for FdLink {
    type Error = LinkError;

    /// Fails for an attachment without a `bpf_link` (and detaches it: the link is consumed).
    fn try_from(link: OwnedLink) -> Result<Self, LinkError> {
        match link {
            OwnedLink::Fd(link) => Ok(link),
            OwnedLink::Legacy(_) => Err(LinkError::NeedsBpfLink(BpfLinkUse::Descriptor)),
        }
    }
}
