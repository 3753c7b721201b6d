//! What sockets in a map receive.

use std::{os::fd::AsFd, path::Path};

use super::{
    AttachOptions, AttachType, Attached, ProgramData, ProgramError, cgroup::attach_types,
    program_methods,
};
use crate::links::{LinkId, Needed, NoTarget, sock_map};

/// A program that decides what becomes of what sockets in a map receive (`BPF_PROG_TYPE_SK_SKB`).
/// Linux ≥ 4.14.
///
/// Sections `sk_skb/stream_parser` (returns the length of the next message),
/// `sk_skb/stream_verdict` (returns `SK_PASS`, 1, perhaps after a redirection, or `SK_DROP`, 0),
/// `sk_skb/verdict` (the same for all kinds of socket, without a parser; Linux ≥ 5.13).
///
/// ```no_run
/// use hachi::programs::SkSkb;
/// use hachi::maps::SockMap;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let sockets = SockMap::try_from(ebpf.take_map("SOCKETS")?)?;
/// let program: &mut SkSkb = ebpf.program_mut("received")?.try_into()?;
/// program.load()?;
/// program.attach(sockets.map().fd())?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SkSkb {
    pub(crate) data: ProgramData,
}

attach_types! {
    /// Which decision.
    SkSkbKind {
        /// Where a message ends.
        StreamParser => SkSkbStreamParser,
        /// What becomes of a message of a stream.
        StreamVerdict => SkSkbStreamVerdict,
        /// What becomes of a packet, of whatever socket.
        Verdict => SkSkbVerdict,
    }
}

program_methods!(SkSkb);

impl SkSkb {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P, kind: SkSkbKind) -> Result<Self, ProgramError> {
        ProgramData::from_pin_for(path.as_ref(), kind.into()).map(|data| SkSkb { data })
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
    /// EINVAL), or a link holds a program of this kind, or one that excludes it, there (EBUSY).
    pub fn attach<T: AsFd>(&mut self, map: T) -> Result<LinkId, ProgramError> {
        let kind = self
            .data
            .attach_type()
            .unwrap_or(AttachType::SkSkbStreamVerdict);
        let link = sock_map::attach(self.data.fd()?, kind as u32, map.as_fd());
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data.no_target(NoTarget::Needs(Needed::SocketMap))
    }
}
