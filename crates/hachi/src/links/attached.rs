//! Programs that `BPF_PROG_ATTACH` attached to something open, without a `bpf_link`.

use hachi_obj::flags::BPF_F_ALLOW_MULTI;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use super::{Legacy, LegacyLink, LinkError, LinkOperation, OwnedLink};
use crate::{
    fd::ProgramFd,
    sys::{
        attach::{self, How, Place},
        bpf,
        errno::SyscallError,
    },
};

/// The kernel keeps such an attachment until it is undone, or until what it is on goes away.
#[derive(Debug)]
struct Attached {
    /// What it is on: a cgroup's directory, a map, a device.
    place: OwnedFd,
    how: How,
    program: ProgramFd,
}

/// Attaches a program by `BPF_PROG_ATTACH`.
pub(crate) fn attach(
    program: &ProgramFd,
    place: BorrowedFd<'_>,
    how: How,
) -> Result<OwnedLink, SyscallError> {
    let place = place
        .try_clone_to_owned()
        .map_err(|error| SyscallError::new("dup", error))?;
    attach::prog_attach(program.as_fd(), Place::Fd(place.as_fd()), &how, None)?;
    Ok(LegacyLink::new(Attached {
        place,
        how,
        program: program.clone(),
    })
    .into())
}

impl Attached {
    /// Whether it is still this program that runs there.
    ///
    /// A cgroup that takes one program gives up whichever it has, whatever descriptor comes with
    /// the request, and one that took several when this was attached may take one now.
    fn is_ours(&self) -> Result<bool, SyscallError> {
        let found = match attach::prog_query(Place::Fd(self.place.as_fd()), self.how.attach_type, 0)
        {
            Ok(found) => found,
            // Maps cannot be asked before Linux 5.18, but compare programs when one is detached.
            Err(error) if error.errno() == libc::EINVAL => return Ok(true),
            Err(error) => return Err(error),
        };
        let ours = bpf::prog_info(self.program.as_fd())?.id;
        Ok(found.programs.contains(&ours))
    }
}

impl Legacy for Attached {
    fn undo(&mut self) -> Result<(), SyscallError> {
        if !self.is_ours()? {
            return Ok(());
        }
        let place = Place::Fd(self.place.as_fd());
        match attach::prog_detach(self.program.as_fd(), place, self.how.attach_type) {
            // Someone else did, or the cgroup is gone.
            Err(error) if matches!(error.errno(), libc::ENOENT | libc::ENODEV) => Ok(()),
            result => result,
        }
    }

    fn is_persistent(&self) -> bool {
        true
    }

    fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        if !self.is_ours().map_err(LinkOperation::Update.failed())? {
            return Err(LinkError::Replaced);
        }
        // Where there is one program, the next takes its place anyway.
        let multi = self.how.flags & BPF_F_ALLOW_MULTI != 0;
        let old = multi.then(|| self.program.as_fd());
        let place = Place::Fd(self.place.as_fd());
        attach::prog_attach(program.as_fd(), place, &self.how, old)
            .map_err(LinkOperation::Update.failed())?;
        self.program = program.clone();
        Ok(())
    }
}
