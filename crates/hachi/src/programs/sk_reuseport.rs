//! Which of the sockets that share a port gets a packet.

use std::{os::fd::AsFd, path::Path};

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::{
    links::{LinkId, Needed, NoTarget, socket},
    sys::socket::Hook,
};

/// A program that chooses among sockets which share a port (`SO_REUSEPORT`) the one that gets a new
/// connection or datagram (`BPF_PROG_TYPE_SK_REUSEPORT`): with `bpf_sk_select_reuseport`, and
/// returns `SK_PASS` (1) or `SK_DROP` (0). Linux ≥ 4.19.
///
/// Sections `sk_reuseport` and `sk_reuseport/migrate` (is also asked where connections go whose
/// socket is closed; Linux ≥ 5.14).
///
/// ```no_run
/// use hachi::programs::SkReuseport;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let socket = std::net::UdpSocket::bind("127.0.0.1:7000")?;
/// let program: &mut SkReuseport = ebpf.program_mut("choose")?.try_into()?;
/// program.load()?;
/// program.attach(&socket)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SkReuseport {
    pub(crate) data: ProgramData,
}

program_methods!(SkReuseport);

impl SkReuseport {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "sk_reuseport").map(|data| SkReuseport { data })
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

    /// Attaches the loaded program to the group of sockets that this one is of.
    ///
    /// The link does not keep the socket open. It knows it by its descriptor, so a socket whose
    /// descriptor was closed while a duplicate stays open keeps the program.
    ///
    /// The kernel does not say which program a group has. What this process attached, by whichever
    /// socket of the group, is remembered, and dropping a link whose program was replaced by
    /// another one of this process detaches nothing. That **another process** has replaced it
    /// cannot be seen: dropping the link then takes off the other's program.
    ///
    /// # Errors
    /// What the kernel refuses; `ENOTSOCK` if it is not a socket.
    pub fn attach<T: AsFd>(&mut self, socket: T) -> Result<LinkId, ProgramError> {
        let link = socket::attach(self.data.fd()?, Hook::Reuseport, socket.as_fd());
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data
            .no_target(NoTarget::Needs(Needed::ReuseportSocket))
    }
}
