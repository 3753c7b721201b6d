//! Programs for the processes of a cgroup and of the cgroups below it.

use hachi_obj::flags::{BPF_F_ALLOW_MULTI, BPF_F_ALLOW_OVERRIDE};
use std::os::fd::{AsFd as _, BorrowedFd};

use super::{FdLink, LinkError, LinkOrder, OwnedLink, attached, place};
use crate::{
    fd::ProgramFd,
    features,
    sys::{
        attach::{self, How, Place},
        errno::SyscallError,
    },
};

/// What else may be attached to a cgroup, and to those below it, beside the program.
///
/// Programs of the cgroups above run as well if they were attached with
/// [`AllowMultiple`](Self::AllowMultiple).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CgroupAttachMode {
    /// Nothing: neither here nor below. One attached here in this mode is pushed out.
    ///
    /// There is no `bpf_link` for this, so that the attachment stays if the process is killed.
    Single,
    /// A cgroup below may have a program of its own, which then runs instead. One attached here in
    /// this mode is pushed out.
    ///
    /// There is no `bpf_link` for this either.
    AllowOverride,
    /// Others may be attached, here and below; all of them run, for most kinds until one refuses.
    /// This makes a `bpf_link` (Linux ≥ 5.7).
    #[default]
    AllowMultiple,
}

const CALL: &str = "BPF_LINK_CREATE (cgroup)";

/// Attaches to the cgroup whose directory is open here.
pub(crate) fn attach(
    program: &ProgramFd,
    attach_type: u32,
    directory: BorrowedFd<'_>,
    mode: CgroupAttachMode,
) -> Result<OwnedLink, LinkError> {
    let flags = match mode {
        CgroupAttachMode::Single => 0,
        CgroupAttachMode::AllowOverride => BPF_F_ALLOW_OVERRIDE,
        CgroupAttachMode::AllowMultiple if features::BPF_LINK.is_supported() => {
            return attach_in_order(program, attach_type, directory, LinkOrder::last());
        }
        CgroupAttachMode::AllowMultiple => BPF_F_ALLOW_MULTI,
    };
    let how = How {
        attach_type,
        flags,
        ..How::default()
    };
    attached::attach(program, directory, how).map_err(|error| explain(error, directory))
}

/// Attaches by a `bpf_link`, which lets others attach as well.
pub(crate) fn attach_in_order(
    program: &ProgramFd,
    attach_type: u32,
    directory: BorrowedFd<'_>,
    order: LinkOrder,
) -> Result<OwnedLink, LinkError> {
    let how = order.how(attach_type);
    match attach::link_create(program.as_fd(), Place::Fd(directory), &how, CALL) {
        Ok(fd) => Ok(FdLink::new(fd).into()),
        Err(error) => {
            if order.is_special() {
                features::CGROUP_ORDER.require_after(&error)?;
            }
            Err(explain(error, directory))
        }
    }
}

/// Says what the kernel's answers mean for a cgroup.
fn explain(error: SyscallError, directory: BorrowedFd<'_>) -> LinkError {
    let note = match error.errno() {
        libc::EPERM if place::may_attach() => {
            "a program is attached to this cgroup or to one above it in a mode that allows no \
             other of its kind here (CgroupAttachMode::Single, or AllowOverride and AllowMultiple \
             mixed)"
        }
        libc::EBADF => {
            "this is no directory of the version 2 hierarchy; `mount -t cgroup2` shows where that \
             is mounted"
        }
        libc::E2BIG => "64 programs of this kind are attached already, which is the limit",
        libc::ENODEV => "the cgroup was removed",
        libc::ESTALE => "others have attached or detached since the revision that was expected",
        libc::ENOENT => "what it is to run before or after is not attached to this cgroup",
        libc::EINVAL => {
            "the program is attached here already, or the kernel is older than this kind of \
             program, or the place is given by another program (it must be by a link)"
        }
        _ => return LinkError::attach(&place::name("cgroup", directory), error),
    };
    LinkError::attach(&place::name("cgroup", directory), error.noted(note))
}
