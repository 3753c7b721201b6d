//! Programs of netkit devices.

use super::{
    AttachOptions, AttachType, Attached, ProgramData, ProgramError, cgroup::attach_types,
    multi_program, program_methods,
};
use crate::links::{LinkId, LinkOrder, OwnedLink, interface_index, tcx};

/// A program that sees each packet that one end of a netkit pair sends
/// (`BPF_PROG_TYPE_SCHED_CLS`): it returns what becomes of it, such as `NETKIT_PASS` (0) and
/// `NETKIT_DROP` (2), or -1 to leave that to the next program. Linux ≥ 6.7.
///
/// Sections `netkit/primary` and `netkit/peer`.
///
/// ```no_run
/// use hachi::programs::{Netkit, NetkitAttachType};
/// use hachi::links::LinkOrder;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut Netkit = ebpf.program_mut("look")?.try_into()?;
/// program.load()?;
/// program.attach("nk0", NetkitAttachType::Primary, LinkOrder::default())?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Netkit {
    pub(crate) data: ProgramData,
}

attach_types! {
    /// Which end of the pair sends.
    NetkitAttachType {
        /// The interface itself, which is the primary one.
        Primary => NetkitPrimary,
        /// Its peer, usually in a container.
        Peer => NetkitPeer,
    }
}

program_methods!(Netkit);
multi_program!(Netkit);

impl Netkit {
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

    /// Attaches the loaded program to a pair by the name of its primary interface, which is in the
    /// calling thread's network namespace. Needs CAP_NET_ADMIN.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] with
    /// [`LinkError::NoSuchInterface`](crate::links::LinkError::NoSuchInterface); if the interface
    /// is none of a netkit pair (`BPF_LINK_CREATE`: EINVAL) or the pair's peer (EACCES), what it is
    /// to run before or after is not there (ENOENT), or others have attached since the revision
    /// expected (ESTALE).
    pub fn attach(
        &mut self,
        interface: &str,
        attach_type: NetkitAttachType,
        order: LinkOrder,
    ) -> Result<LinkId, ProgramError> {
        let program = self.data.fd()?;
        let number = AttachType::from(attach_type) as u32;
        let link = interface_index(interface)
            .and_then(|if_index| tcx::attach(tcx::NETKIT, program, if_index, number, order));
        self.data.own(link)
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

    pub(crate) fn attach_by_section(
        &mut self,
        options: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let (end, word) = match self.data.attach_type() {
            Some(AttachType::NetkitPeer) => (NetkitAttachType::Peer, "peer of "),
            _ => (NetkitAttachType::Primary, ""),
        };
        let mut attached = Vec::new();
        for interface in options.interfaces_for(&self.data)? {
            attached.push(Attached {
                link: self.attach(interface, end, LinkOrder::default())?,
                target: format!("{word}interface {interface}"),
            });
        }
        Ok(attached)
    }
}
