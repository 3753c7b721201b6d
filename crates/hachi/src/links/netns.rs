//! Programs for a whole network namespace.

use std::os::fd::{AsFd as _, BorrowedFd};

use hachi_obj::AttachType;

use super::{FdLink, LinkError, OwnedLink, place};
use crate::{
    fd::ProgramFd,
    features,
    sys::attach::{self, How, Place},
};

/// Attaches to the network namespace that is open here.
pub(crate) fn attach(
    program: &ProgramFd,
    attach_type: u32,
    netns: BorrowedFd<'_>,
) -> Result<OwnedLink, LinkError> {
    let how = How {
        attach_type,
        ..How::default()
    };
    match attach::link_create(
        program.as_fd(),
        Place::Fd(netns),
        &how,
        "BPF_LINK_CREATE (netns)",
    ) {
        Ok(fd) => Ok(FdLink::new(fd).into()),
        Err(error) => {
            features::BPF_LINK.require_after(&error)?;
            let note = match error.errno() {
                libc::EEXIST | libc::EBUSY => {
                    "a flow dissector is attached in the first network namespace, which counts \
                     for all"
                }
                libc::E2BIG if attach_type == AttachType::FlowDissector as u32 => {
                    "another flow dissector is attached there"
                }
                libc::EINVAL | libc::EBADF => {
                    "this is no network namespace; open /proc/self/ns/net or /run/netns/NAME"
                }
                libc::E2BIG => "64 programs of this kind are attached already, which is the limit",
                _ => return Err(LinkError::attach(&place::name("netns", netns), error)),
            };
            let error = error.noted(note);
            Err(LinkError::attach(&place::name("netns", netns), error))
        }
    }
}
