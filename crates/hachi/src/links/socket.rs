//! Programs for a single socket, or for the group of sockets that share its port.

use std::os::fd::{AsFd as _, BorrowedFd};

use super::{Legacy, LegacyLink, LinkError, LinkOperation, OwnedLink};
use crate::{
    fd::ProgramFd,
    latest::{self, Place, Ticket},
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
    /// The kernel does not say whose program a socket has.
    ticket: Ticket,
}

/// Where a program of this hook is now.
fn place(socket: &SocketRef, hook: Hook) -> Place {
    match hook {
        Hook::Filter => Place::Filter(socket.cookie()),
        Hook::Reuseport => match socket.group() {
            Some(group) => Place::Reuseport(group),
            None => Place::LoneReuseport(socket.cookie()),
        },
    }
}

/// Attaches to a socket.
pub(crate) fn attach(
    program: &ProgramFd,
    hook: Hook,
    socket: BorrowedFd<'_>,
) -> Result<OwnedLink, LinkError> {
    let failed = |error| LinkError::attach("a socket", error);
    let socket = SocketRef::of(socket).map_err(failed)?;
    let ticket = latest::put(place(&socket, hook), || {
        socket.attach(hook, program.as_fd())
    })
    .map_err(failed)?;
    Ok(LegacyLink::new(OfSocket {
        socket,
        hook,
        ticket,
    })
    .into())
}

impl Legacy for OfSocket {
    fn undo(&mut self) -> Result<(), SyscallError> {
        if !self.socket.is_open() {
            return Ok(());
        }
        let now = place(&self.socket, self.hook);
        let detach = || self.socket.detach(self.hook);
        match self.ticket.if_latest(Some(&now), detach) {
            // Another program is there.
            None => Ok(()),
            // It has none any more.
            Some(Err(error)) if error.errno() == libc::ENOENT => Ok(()),
            Some(result) => result,
        }
    }

    fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        if !self.socket.is_open() {
            return Err(LinkError::SocketClosed);
        }
        let now = place(&self.socket, self.hook);
        let attach = || self.socket.attach(self.hook, program.as_fd());
        match self.ticket.if_latest(Some(&now), attach) {
            None => Err(LinkError::Replaced),
            Some(result) => result.map_err(LinkOperation::Update.failed()),
        }
    }
}
