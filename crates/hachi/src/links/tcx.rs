//! Programs in an interface's ordered lists: TCX and netkit.

use std::os::fd::AsFd as _;

use super::{FdLink, LinkError, LinkOrder, OwnedLink, place};
use crate::{
    fd::ProgramFd,
    features::Feature,
    sys::{
        attach::{self, Place},
        errno::SyscallError,
    },
};

/// Which of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) call: &'static str,
    pub(crate) feature: &'static Feature,
}

pub(crate) const TCX: Kind = Kind {
    call: "BPF_LINK_CREATE (tcx)",
    feature: &crate::features::TCX,
};

pub(crate) const NETKIT: Kind = Kind {
    call: "BPF_LINK_CREATE (netkit)",
    feature: &crate::features::NETKIT,
};

/// Attaches to an interface of the calling thread's network namespace.
pub(crate) fn attach(
    kind: Kind,
    program: &ProgramFd,
    if_index: u32,
    attach_type: u32,
    order: LinkOrder,
) -> Result<OwnedLink, LinkError> {
    let place = Place::Interface(if_index);
    let how = order.how(attach_type);
    match attach::link_create(program.as_fd(), place, &how, kind.call) {
        Ok(fd) => Ok(FdLink::new(fd).into()),
        Err(error) => {
            kind.feature.require_after(&error)?;
            Err(explain(kind, error, if_index))
        }
    }
}

fn explain(kind: Kind, error: SyscallError, if_index: u32) -> LinkError {
    let target = match place::interface_name(if_index) {
        Ok(name) => format!("interface {name:?}"),
        Err(error) => return error,
    };
    let note = match error.errno() {
        libc::EEXIST => {
            "this program is attached there already; load it a second time to attach it twice"
        }
        libc::ESTALE => "others have attached or detached since the revision that was expected",
        libc::ENOENT => "what it is to run before or after is not attached there",
        libc::ERANGE => "64 programs are attached there already, which is the limit",
        libc::EACCES if kind.call == NETKIT.call => {
            "programs of a netkit pair, also those of its peer, are attached at its primary \
             interface"
        }
        libc::EINVAL if kind.call == NETKIT.call => "the interface is none of a netkit pair",
        _ => return LinkError::attach(&target, error),
    };
    let error = error.noted(note);
    LinkError::attach(&target, error)
}
