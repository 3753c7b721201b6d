//! What a single socket receives.

use std::{os::fd::AsFd, path::Path};

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::{
    links::{LinkId, Needed, NoTarget, socket},
    sys::socket::Hook,
};

/// A program that a socket passes what it receives to (`BPF_PROG_TYPE_SOCKET_FILTER`): it returns
/// how many bytes of the packet the socket gets, 0 to drop it. Linux ≥ 3.19.
///
/// Section `socket`.
///
/// ```no_run
/// use hachi::programs::SocketFilter;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let socket = std::net::UdpSocket::bind("127.0.0.1:7000")?;
/// let program: &mut SocketFilter = ebpf.program_mut("filter")?.try_into()?;
/// program.load()?;
/// program.attach(&socket)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SocketFilter {
    pub(crate) data: ProgramData,
}

program_methods!(SocketFilter);

impl SocketFilter {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "socket").map(|data| SocketFilter { data })
    }

    /// Loads the program into the kernel, which verifies it.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses; [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    /// Attaches the loaded program to a socket, in the place of the filter it has.
    ///
    /// The link does not keep the socket open. It knows it by its descriptor, so a socket whose
    /// descriptor was closed while a duplicate stays open keeps the program.
    ///
    /// The kernel does not say which filter a socket has. What this process attached is remembered,
    /// and dropping a link whose filter was replaced by another one of this process detaches
    /// nothing. That **another process** has replaced it cannot be seen: dropping the link then
    /// takes off the other's filter.
    ///
    /// # Errors
    /// What the kernel refuses; `ENOTSOCK` if it is not a socket.
    pub fn attach<T: AsFd>(&mut self, socket: T) -> Result<LinkId, ProgramError> {
        let link = socket::attach(self.data.fd()?, Hook::Filter, socket.as_fd());
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data.no_target(NoTarget::Needs(Needed::Socket))
    }
}
