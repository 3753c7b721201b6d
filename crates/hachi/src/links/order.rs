//! Where among the programs of one place a program runs.

use super::{BpfLinkUse, LinkError, LinkOperation, OwnedLink};
use crate::sys::attach::How;
use hachi_obj::flags::{BPF_F_AFTER, BPF_F_BEFORE, BPF_F_ID, BPF_F_LINK};

/// Where among the programs attached to the same interface (TCX, netkit: Linux ≥ 6.6) or cgroup
/// (Linux ≥ 6.17) a program is to run. The default is [`last`](Self::last).
///
/// At a cgroup, a place is given by a link, not by a program: that is all the kernel takes.
///
/// ```
/// use hachi::programs::LinkOrder;
/// # fn f() -> Result<(), hachi::programs::ProgramError> {
/// use hachi::programs::{SchedClassifier, TcAttachType};
///
/// let (revision, others) = SchedClassifier::query_tcx("eth0", TcAttachType::Ingress)?;
/// // In front of the first, provided nobody has changed anything since we looked.
/// let order = match others.first() {
///     Some(first) => LinkOrder::before_program_id(first.id()),
///     None => LinkOrder::first(),
/// }
/// .expecting(revision);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkOrder {
    flags: u32,
    id: u32,
    revision: u64,
}

impl LinkOrder {
    const fn new(flags: u32, id: u32) -> Self {
        LinkOrder {
            flags,
            id,
            revision: 0,
        }
    }

    /// Before all others.
    pub const fn first() -> Self {
        Self::new(BPF_F_BEFORE, 0)
    }

    /// After all others that are there now.
    pub const fn last() -> Self {
        Self::new(0, 0)
    }

    /// Right before what this link attaches. Fails if it has no `bpf_link`.
    ///
    /// # Errors
    /// [`LinkError::NeedsBpfLink`] if it has no `bpf_link`; [`LinkError::Syscall`] if the kernel
    /// does not tell its id.
    pub fn before_link(link: &OwnedLink) -> Result<Self, LinkError> {
        Ok(Self::before_link_id(link_id(link)?))
    }

    /// Right after what this link attaches. Fails if it has no `bpf_link`.
    ///
    /// # Errors
    /// [`LinkError::NeedsBpfLink`] if it has no `bpf_link`; [`LinkError::Syscall`] if the kernel
    /// does not tell its id.
    pub fn after_link(link: &OwnedLink) -> Result<Self, LinkError> {
        Ok(Self::after_link_id(link_id(link)?))
    }

    /// Right before what the link with this id attaches.
    pub const fn before_link_id(id: u32) -> Self {
        Self::new(BPF_F_BEFORE | BPF_F_ID | BPF_F_LINK, id)
    }

    /// Right after what the link with this id attaches.
    pub const fn after_link_id(id: u32) -> Self {
        Self::new(BPF_F_AFTER | BPF_F_ID | BPF_F_LINK, id)
    }

    /// Right before the program with this id.
    pub const fn before_program_id(id: u32) -> Self {
        Self::new(BPF_F_BEFORE | BPF_F_ID, id)
    }

    /// Right after the program with this id.
    pub const fn after_program_id(id: u32) -> Self {
        Self::new(BPF_F_AFTER | BPF_F_ID, id)
    }

    /// Only if nothing has changed there since a query found this revision; else the kernel says
    /// `ESTALE`.
    pub const fn expecting(mut self, revision: u64) -> Self {
        self.revision = revision;
        self
    }

    /// Whether it is anything but the order in which programs are attached.
    pub(crate) fn is_special(&self) -> bool {
        *self != Self::last()
    }

    pub(crate) fn how(&self, attach_type: u32) -> How {
        How {
            attach_type,
            flags: self.flags,
            relative: self.id,
            revision: self.revision,
        }
    }
}

fn link_id(link: &OwnedLink) -> Result<u32, LinkError> {
    match link {
        OwnedLink::Fd(link) => match link.info() {
            Ok(info) => Ok(info.id()),
            Err(error) => Err(LinkOperation::Describe.failed()(error)),
        },
        OwnedLink::Legacy(_) => Err(LinkError::NeedsBpfLink(BpfLinkUse::Order)),
    }
}
