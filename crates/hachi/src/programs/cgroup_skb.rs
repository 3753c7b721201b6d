//! Packets of the processes of a cgroup.

use std::{os::fd::AsFd, path::Path};

use super::{
    AttachType, CgroupAttachMode, ProgramData, ProgramError,
    cgroup::{attach_types, cgroup_methods},
};
use crate::links::{LinkId, LinkOrder};

/// A program that sees the packets which sockets of a cgroup's processes send and receive
/// (`BPF_PROG_TYPE_CGROUP_SKB`): it returns 1 to let one pass and 0 to drop it. Packets begin with
/// the IP header. Linux ≥ 4.10.
///
/// Sections `cgroup_skb/ingress`, `cgroup_skb/egress`, and `cgroup/skb` for both.
///
/// ```no_run
/// use hachi::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let cgroup = std::fs::File::open("/sys/fs/cgroup/user.slice")?;
/// let program: &mut CgroupSkb = ebpf.program_mut("packets")?.try_into()?;
/// program.load()?;
/// let sent = CgroupSkbAttachType::Egress;
/// program.attach(&cgroup, sent, CgroupAttachMode::AllowMultiple)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct CgroupSkb {
    pub(crate) data: ProgramData,
}

attach_types! {
    /// Which packets.
    CgroupSkbAttachType {
        /// Received ones.
        Ingress => CgroupInetIngress,
        /// Sent ones.
        Egress => CgroupInetEgress,
    }
}

cgroup_methods!(CgroupSkb, CgroupInetIngress);

impl CgroupSkb {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(
        path: P,
        attach_type: CgroupSkbAttachType,
    ) -> Result<Self, ProgramError> {
        ProgramData::from_pin_for(path.as_ref(), attach_type.into()).map(|data| CgroupSkb { data })
    }

    /// The direction that the section, or the pin, is for; `None` for `cgroup/skb`.
    pub fn direction(&self) -> Option<CgroupSkbAttachType> {
        match self.data.attach_type()? {
            AttachType::CgroupInetIngress => Some(CgroupSkbAttachType::Ingress),
            AttachType::CgroupInetEgress => Some(CgroupSkbAttachType::Egress),
            _ => None,
        }
    }

    /// Attaches the loaded program to the cgroup whose directory (of the version 2 hierarchy) is
    /// open here: `File::open("/sys/fs/cgroup/user.slice")`. It runs for the processes there and
    /// below, also for those that come later. Needs CAP_NET_ADMIN.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if `cgroup` is no directory of the
    /// version 2 hierarchy (EBADF), a program there or above it allows no other (EPERM), or 64 are
    /// attached already (E2BIG).
    pub fn attach<T: AsFd>(
        &mut self,
        cgroup: T,
        attach_type: CgroupSkbAttachType,
        mode: CgroupAttachMode,
    ) -> Result<LinkId, ProgramError> {
        let number = AttachType::from(attach_type) as u32;
        let link = crate::links::cgroup::attach(self.data.fd()?, number, cgroup.as_fd(), mode);
        self.data.own(link)
    }

    /// As [`attach`](Self::attach) with [`CgroupAttachMode::AllowMultiple`], at a chosen place
    /// among the programs of the cgroup. Linux ≥ 6.17.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] as for [`attach`](Self::attach), if
    /// what it is to run before or after is not there (ENOENT), or others have attached or detached
    /// since the revision expected (ESTALE); with
    /// [`LinkError::Unsupported`](crate::links::LinkError::Unsupported) where the kernel knows no
    /// order.
    pub fn attach_in_order<T: AsFd>(
        &mut self,
        cgroup: T,
        attach_type: CgroupSkbAttachType,
        order: LinkOrder,
    ) -> Result<LinkId, ProgramError> {
        let number = AttachType::from(attach_type) as u32;
        let link =
            crate::links::cgroup::attach_in_order(self.data.fd()?, number, cgroup.as_fd(), order);
        self.data.own(link)
    }
}
