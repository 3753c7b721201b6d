//! What sockets in a map send.

use std::{os::fd::AsFd, path::Path};

use super::{AttachOptions, AttachType, Attached, ProgramData, ProgramError, program_methods};
use crate::links::{LinkId, Needed, NoTarget, sock_map};

/// A program that decides what becomes of the messages which sockets in a map send
/// (`BPF_PROG_TYPE_SK_MSG`): it returns `SK_PASS` (1), perhaps after a redirection to another
/// socket, or `SK_DROP` (0). Linux ≥ 4.17.
///
/// Section `sk_msg`.
///
/// ```no_run
/// use hachi::programs::SkMsg;
/// use hachi::maps::SockMap;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let sockets = SockMap::try_from(ebpf.take_map("SOCKETS")?)?;
/// let program: &mut SkMsg = ebpf.program_mut("sent")?.try_into()?;
/// program.load()?;
/// program.attach(sockets.map().fd())?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SkMsg {
    pub(crate) data: ProgramData,
}

program_methods!(SkMsg);

impl SkMsg {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "sk_msg").map(|data| SkMsg { data })
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

    /// Attaches the loaded program to a map of sockets (`SockMap`, `SockHash`): it runs for those
    /// put there. By a `bpf_link` (Linux ≥ 6.10) or, on older kernels, without; either way until
    /// this program is dropped, unless the link is [taken](Self::take_link). A map has one program
    /// of a kind: one that is there is in the way of a link, and pushed out on older kernels.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if `map` is no map of sockets (EBADF,
    /// EINVAL), or a link holds a program of this kind there (EBUSY).
    pub fn attach<T: AsFd>(&mut self, map: T) -> Result<LinkId, ProgramError> {
        let link = sock_map::attach(
            self.data.fd()?,
            AttachType::SkMsgVerdict as u32,
            map.as_fd(),
        );
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data.no_target(NoTarget::Needs(Needed::SocketMap))
    }
}
