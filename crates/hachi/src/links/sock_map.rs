//! Programs for the sockets in a map.

use std::os::fd::{AsFd as _, BorrowedFd};

use hachi_obj::AttachType;

use super::{FdLink, LinkError, OwnedLink, attached};
use crate::{
    fd::ProgramFd,
    features,
    sys::{
        attach::{self, How, Place},
        bpf,
        errno::SyscallError,
    },
};

/// Attaches to a map of sockets: by a `bpf_link` where the kernel has those for maps.
pub(crate) fn attach(
    program: &ProgramFd,
    attach_type: u32,
    map: BorrowedFd<'_>,
) -> Result<OwnedLink, LinkError> {
    let how = How {
        attach_type,
        ..How::default()
    };
    let link = attach::link_create(
        program.as_fd(),
        Place::Fd(map),
        &how,
        "BPF_LINK_CREATE (sockmap)",
    );
    match link {
        Ok(fd) => return Ok(FdLink::new(fd).into()),
        // Attaching the older way would push out a program that is there.
        Err(error) if features::SOCK_MAP_LINK.is_supported() => return Err(explain(error, map)),
        Err(_) => {}
    }
    attached::attach(program, map, how).or_else(|error| {
        if attach_type == AttachType::SkSkbVerdict as u32 {
            features::SK_SKB_VERDICT.require_after(&error)?;
        }
        Err(explain(error, map))
    })
}

fn explain(error: SyscallError, map: BorrowedFd<'_>) -> LinkError {
    let target = match bpf::map_info(map) {
        Ok(info) => format!("map {:?}", bpf::name_text(&info.name)),
        Err(_) => "a map".to_owned(),
    };
    let note = match error.errno() {
        libc::EBUSY => {
            "a program of this kind is attached there already, or a verdict of packets and one \
             of streams exclude each other"
        }
        libc::EBADF | libc::EINVAL | libc::EOPNOTSUPP => "the map must be a SockMap or a SockHash",
        _ => return LinkError::attach(&target, error),
    };
    let error = error.noted(note);
    LinkError::attach(&target, error)
}
