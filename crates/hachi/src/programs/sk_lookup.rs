//! Which socket gets a packet.

use std::{os::fd::AsFd, path::Path};

use super::{AttachOptions, AttachType, Attached, ProgramData, ProgramError, program_methods};
use crate::links::{LinkId, OwnedLink};

/// A program that chooses the socket which gets a new connection or datagram, before the kernel
/// looks for one that listens (`BPF_PROG_TYPE_SK_LOOKUP`): it returns `SK_PASS` (1) or `SK_DROP`
/// (0). Linux ≥ 5.9.
///
/// Section `sk_lookup`.
///
/// ```no_run
/// use hachi::programs::SkLookup;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let netns = std::fs::File::open("/proc/self/ns/net")?;
/// let program: &mut SkLookup = ebpf.program_mut("choose")?.try_into()?;
/// program.load()?;
/// program.attach(&netns)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SkLookup {
    pub(crate) data: ProgramData,
}

program_methods!(SkLookup);

impl SkLookup {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "sk_lookup").map(|data| SkLookup { data })
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

    /// Attaches the loaded program to the network namespace that is open here:
    /// `File::open("/run/netns/NAME")`, `File::open("/proc/self/ns/net")`. By a `bpf_link`, Linux ≥
    /// 5.9. Needs CAP_NET_ADMIN there.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if `netns` is no network namespace
    /// (EINVAL, EBADF), or 64 programs are attached there already (E2BIG).
    pub fn attach<T: AsFd>(&mut self, netns: T) -> Result<LinkId, ProgramError> {
        self.data
            .attach_to_netns(AttachType::SkLookup, netns.as_fd())
    }

    /// Makes an existing attachment run this program, without a gap in between, and takes it over;
    /// see [`Xdp::attach_to_link`](super::Xdp::attach_to_link).
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if the kernel refuses to change the
    /// program of the link (`BPF_LINK_UPDATE`: EINVAL for a program of another type, ENOLINK when
    /// what it was attached to is gone), or the attachment is of a kind that cannot change it. The
    /// link is dropped then, which detaches it.
    pub fn attach_to_link(&mut self, link: impl Into<OwnedLink>) -> Result<LinkId, ProgramError> {
        self.data.attach_to_link(link.into())
    }

    /// To the network namespace of the calling thread.
    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data.attach_to_own_netns(AttachType::SkLookup)
    }
}
