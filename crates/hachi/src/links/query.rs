//! What is attached where.

use hachi_obj::flags::{BPF_F_ALLOW_MULTI, BPF_F_ALLOW_OVERRIDE, BPF_F_QUERY_EFFECTIVE};
use std::os::fd::{AsFd, BorrowedFd};

use hachi_obj::AttachType;

use super::{CgroupAttachMode, LinkError, LinkOperation, place};
use crate::sys::{
    attach::{self, Place},
    bpf, errno,
};

/// The programs of one kind that are attached to something, no matter who attached them, in the
/// order in which they run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachments {
    /// Goes up with each change there; for [`LinkOrder::expecting`](super::LinkOrder::expecting). 0
    /// where the kernel does not count (cgroups before Linux 6.17).
    pub revision: u64,
    /// What others may attach, for a cgroup; `None` elsewhere or if nothing is attached to this
    /// very cgroup.
    pub mode: Option<CgroupAttachMode>,
    /// The programs.
    pub programs: Vec<AttachedProgram>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedProgram {
    /// Its id; [`ProgramInfo::from_id`](crate::programs::ProgramInfo::from_id) tells more.
    pub program_id: u32,
    /// The id of the link that holds it. `None` if none does, and where the kernel does not say (it
    /// does for interfaces only).
    pub link_id: Option<u32>,
}

impl Attachments {
    /// The programs at an interface of the calling thread's network namespace: `TcxIngress`,
    /// `TcxEgress` (Linux ≥ 6.6), `NetkitPrimary`, `NetkitPeer` (Linux ≥ 6.7). For XDP see
    /// [`xdp_attachments`](super::xdp_attachments), for filters of a qdisc
    /// [`tc_filters`](super::tc_filters).
    ///
    /// # Errors
    /// [`LinkError::NoSuchInterface`]; [`LinkError::Unsupported`] on older kernels;
    /// [`LinkError::Query`] for what `BPF_PROG_QUERY` refuses: EPERM without CAP_NET_ADMIN, EINVAL
    /// if programs of this attach type are not at interfaces.
    pub fn on_interface(interface: &str, attach_type: AttachType) -> Result<Self, LinkError> {
        let index = place::interface_index(interface)?;
        find(Place::Interface(index), attach_type, 0).map_err(|error| {
            features_of_interfaces(attach_type, &error)
                .unwrap_or_else(|| LinkError::query(format!("interface {interface:?}"), error))
        })
    }

    /// The programs attached to what is open here: a cgroup's directory (`Cgroup…`), a network
    /// namespace (`/proc/self/ns/net`; `FlowDissector`, `SkLookup`: Linux ≥ 5.6), a socket map
    /// (`SkMsgVerdict`, `SkSkb…`: Linux ≥ 5.18) or an infrared receiver (`LircMode2`).
    ///
    /// # Errors
    /// [`LinkError::Query`] for what `BPF_PROG_QUERY` refuses: EPERM without CAP_NET_ADMIN, EBADF
    /// or EINVAL if the place is of another kind than the attach type is for, or the kernel cannot
    /// be asked about it.
    pub fn at(place: impl AsFd, attach_type: AttachType) -> Result<Self, LinkError> {
        at(place.as_fd(), attach_type, 0)
    }

    /// Detaches a program that [`on_interface`](Self::on_interface) has found there without a link,
    /// no matter who attached it. Needs CAP_NET_ADMIN.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` if the program is not there.
    pub fn detach_on_interface(
        interface: &str,
        attach_type: AttachType,
        program_id: u32,
    ) -> Result<(), LinkError> {
        let index = place::interface_index(interface)?;
        detach(Place::Interface(index), attach_type, program_id)
    }

    /// Detaches a program that [`at`](Self::at) has found there without a link, no matter who
    /// attached it. Needs CAP_NET_ADMIN, or what attaching there needs.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` if the program is not there.
    pub fn detach_at(
        place: impl AsFd,
        attach_type: AttachType,
        program_id: u32,
    ) -> Result<(), LinkError> {
        detach(Place::Fd(place.as_fd()), attach_type, program_id)
    }

    /// As [`at`](Self::at) for a cgroup, with what it inherits from those above.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn effective_at(place: impl AsFd, attach_type: AttachType) -> Result<Self, LinkError> {
        at(place.as_fd(), attach_type, BPF_F_QUERY_EFFECTIVE)
    }
}

fn detach(place: Place<'_>, attach_type: AttachType, program_id: u32) -> Result<(), LinkError> {
    bpf::prog_fd_by_id(program_id)
        .and_then(|program| attach::prog_detach(program.as_fd(), place, attach_type as u32))
        .map_err(LinkOperation::Detach.failed())
}

fn features_of_interfaces(
    attach_type: AttachType,
    error: &errno::SyscallError,
) -> Option<LinkError> {
    let feature = match attach_type {
        AttachType::NetkitPrimary | AttachType::NetkitPeer => &crate::features::NETKIT,
        _ => &crate::features::TCX,
    };
    feature.require_after(error).err().map(LinkError::from)
}

fn at(
    place: BorrowedFd<'_>,
    attach_type: AttachType,
    flags: u32,
) -> Result<Attachments, LinkError> {
    find(Place::Fd(place), attach_type, flags)
        .map_err(|error| LinkError::query(place::name("", place), error))
}

fn find(
    place: Place<'_>,
    attach_type: AttachType,
    flags: u32,
) -> Result<Attachments, errno::SyscallError> {
    use CgroupAttachMode as Mode;
    let found = attach::prog_query(place, attach_type as u32, flags)?;
    let of_a_cgroup = matches!(place, Place::Fd(_)) && attach_type.name().starts_with("cgroup");
    let mode = match found.flags {
        BPF_F_ALLOW_MULTI => Mode::AllowMultiple,
        BPF_F_ALLOW_OVERRIDE => Mode::AllowOverride,
        _ => Mode::Single,
    };
    let link = |at: usize| found.links.get(at).copied().filter(|&id| id != 0);
    let programs: Vec<_> = found
        .programs
        .iter()
        .enumerate()
        .map(|(at, &program_id)| AttachedProgram {
            program_id,
            link_id: link(at),
        })
        .collect();
    Ok(Attachments {
        revision: found.revision,
        mode: (of_a_cgroup && flags == 0 && !programs.is_empty()).then_some(mode),
        programs,
    })
}
