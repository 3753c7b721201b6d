//! Programs for a single socket, or for the group of sockets that share its port.

use std::os::fd::{AsFd as _, BorrowedFd};

use super::{Legacy, LegacyLink, LinkError, LinkOperation, OwnedLink};
use crate::{
    fd::ProgramFd,
    sys::{
        errno::SyscallError,
        socket::{Hook, SocketRef},
    },
};

/// A program that is an option of a socket. It ends with the socket, which this does not keep open.
#[derive(Debug)]
struct OfSocket {
    socket: SocketRef,
    hook: Hook,
}

/// Attaches to a socket.
pub(crate) fn attach(
    program: &ProgramFd,
    hook: Hook,
    socket: BorrowedFd<'_>,
) -> Result<OwnedLink, LinkError> {
    let failed = |error| LinkError::attach("a socket", error);
    let socket = SocketRef::of(socket).map_err(failed)?;
    socket.attach(hook, program.as_fd()).map_err(failed)?;
    Ok(LegacyLink::new(OfSocket { socket, hook }).into())
}

impl Legacy for OfSocket {
    fn undo(&mut self) -> Result<(), SyscallError> {
        if !self.socket.is_open() {
            return Ok(());
        }
        match self.socket.detach(self.hook) {
            // It has none any more.
            Err(error) if error.errno() == libc::ENOENT => Ok(()),
            result => result,
        }
    }

    fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        if !self.socket.is_open() {
            return Err(LinkError::SocketClosed);
        }
        self.socket
            .attach(self.hook, program.as_fd())
            .map_err(LinkOperation::Update.failed())
    }
}
