//! XDP: programs that see each packet an interface receives before the network stack does.

use std::path::Path;

use super::XdpFlags;
use super::{AttachOptions, AttachType, Attached, ProgramData, ProgramError, program_methods};
use crate::links::{self, LinkId, NoTarget, OwnedLink, XdpRequest, interface_index};

/// `struct xdp_md`: the context for [`test_run`](Xdp::test_run).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct XdpMd {
    /// Offset of the packet's first byte behind the metadata in the data given: the metadata's
    /// length.
    pub data: u32,
    /// Length of the data given.
    pub data_end: u32,
    /// Offset of the metadata: 0.
    pub data_meta: u32,
    /// The interface the packet is said to have come in on.
    pub ingress_ifindex: u32,
    /// Its receive queue.
    pub rx_queue_index: u32,
    /// Must be 0.
    pub egress_ifindex: u32,
}

// SAFETY: six u32, so any bits are valid and there is no padding.
unsafe impl crate::Pod for XdpMd {}

/// An XDP program (`BPF_PROG_TYPE_XDP`). Linux ≥ 4.8.
///
/// Sections `xdp`, `xdp.frags` (multi-buffer packets, Linux ≥ 5.18), `xdp/devmap` and `xdp/cpumap`
/// (run from a map's entry; they cannot be attached to an interface).
///
/// ```no_run
/// use hachi::programs::{Xdp, XdpFlags};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut Xdp = ebpf.program_mut("firewall")?.try_into()?;
/// program.load()?;
/// program.attach("eth0", XdpFlags::default())?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Xdp {
    pub(crate) data: ProgramData,
}

program_methods!(Xdp);

impl Xdp {
    /// Opens the XDP program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "xdp").map(|data| Xdp { data })
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

    /// Attaches the loaded program to an interface of the calling thread's network namespace.
    ///
    /// Makes a `bpf_link` (Linux ≥ 5.9) or, on older kernels, attaches by netlink; either way the
    /// attachment lasts until this program is dropped, unless the link is [taken](Self::take_link).
    /// Needs CAP_NET_ADMIN.
    ///
    /// # Errors
    /// [`LinkError`](crate::links::LinkError) in [`ProgramError::Attach`]: no such interface,
    /// another program there (named), no driver support.
    pub fn attach(&mut self, interface: &str, flags: XdpFlags) -> Result<LinkId, ProgramError> {
        match interface_index(interface) {
            Ok(index) => self.attach_to_if_index(index, flags),
            Err(error) => Err(self.data.attach_error(error)),
        }
    }

    /// As [`attach`](Self::attach), by the interface's index.
    ///
    /// # Errors
    /// As [`attach`](Self::attach);
    /// [`LinkError::NoSuchInterfaceIndex`](crate::links::LinkError::NoSuchInterfaceIndex) if no
    /// interface has this index.
    pub fn attach_to_if_index(
        &mut self,
        if_index: u32,
        flags: XdpFlags,
    ) -> Result<LinkId, ProgramError> {
        let link = links::attach_xdp(&XdpRequest {
            program: self.data.fd()?,
            if_index,
            flags,
        });
        self.data.own(link)
    }

    /// Makes an existing attachment run this program, without a gap in between, and takes it over.
    /// Linux ≥ 5.7.
    ///
    /// `link` comes from another program's [`take_link`](Self::take_link) or from
    /// [`PinnedLink::unpin`](crate::links::PinnedLink::unpin). On error it is dropped, which
    /// detaches it.
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
        if let Some(AttachType::XdpDevmap | AttachType::XdpCpumap) = self.data.attach_type() {
            return self.data.no_target(NoTarget::RunByMap);
        }
        let mut attached = Vec::new();
        for interface in options.interfaces_for(&self.data)? {
            attached.push(Attached {
                link: self.attach(interface, options.xdp_flags)?,
                target: format!("interface {interface}"),
            });
        }
        Ok(attached)
    }
}
