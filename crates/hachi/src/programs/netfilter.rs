//! Packets on their way through the network stack, at netfilter's hooks.

use std::path::Path;

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::links::{
    LinkId, Needed, NoTarget,
    netfilter::{self, NetfilterHook},
};

/// A program at a hook of netfilter, where iptables and nftables have their rules
/// (`BPF_PROG_TYPE_NETFILTER`): it returns `NF_ACCEPT` (1) or `NF_DROP` (0). Linux ≥ 6.4.
///
/// Section `netfilter`.
///
/// ```no_run
/// use hachi::programs::{Netfilter, NetfilterFamily, NetfilterHook, NetfilterPoint};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut Netfilter = ebpf.program_mut("filter")?.try_into()?;
/// program.load()?;
/// let hook = NetfilterHook::new(NetfilterFamily::Ipv4, NetfilterPoint::LocalIn, -10);
/// program.attach(hook)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Netfilter {
    pub(crate) data: ProgramData,
}

program_methods!(Netfilter);

impl Netfilter {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "netfilter").map(|data| Netfilter { data })
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

    /// Attaches the loaded program to a hook of the calling thread's network namespace, by a
    /// `bpf_link`. Such a link cannot change its program. Needs CAP_NET_ADMIN.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] with
    /// [`LinkError::Unsupported`](crate::links::LinkError::Unsupported) on older kernels; if
    /// another program has this priority (`BPF_LINK_CREATE`: EBUSY), or the hook asks for
    /// defragmenting at a priority where that does not work (ERANGE).
    pub fn attach(&mut self, hook: NetfilterHook) -> Result<LinkId, ProgramError> {
        let link = netfilter::attach(self.data.fd()?, &hook);
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data.no_target(NoTarget::Needs(Needed::NetfilterHook))
    }
}
