//! XDP attachments: by `bpf_link`, and by netlink where there is no such thing.

use crate::sys::inspect::LinkType;
use hachi_obj::AttachType;
use std::os::fd::AsFd as _;

use super::{
    FdLink, Legacy, LegacyLink, LinkError, LinkInfo, LinkOperation, LinkTarget, OwnedLink,
    XdpOccupant, place,
    xdp_mode::{XdpFlags, XdpMode},
};
use crate::{
    fd::ProgramFd,
    features,
    program_info::ProgramInfo,
    sys::{
        attach::{self, How, Place},
        bpf,
        errno::{ENOTSUPP, SyscallError},
        netlink::{Netlink, XdpState},
    },
};

/// An XDP program attached by netlink: the way of kernels before 5.9, and of `ip link set … xdp`.
/// The kernel keeps it until it is undone. Undoing leaves another program alone that has taken its
/// place since.
#[derive(Debug)]
struct XdpNetlink {
    /// Bound to the interface's network namespace, whichever thread drops the link.
    netlink: Netlink,
    if_index: u32,
    mode: XdpFlags,
    program: ProgramFd,
}

/// Finds where `program` is attached by netlink. The result does not detach when dropped.
pub(crate) fn find(program: &ProgramFd) -> Result<Option<LegacyLink>, SyscallError> {
    let id = bpf::prog_info(program.as_fd())?.id;
    let netlink = Netlink::open()?;
    for state in netlink.xdp_query_all()? {
        for (mode, attached) in modes(&state) {
            if attached == id && link_on(state.if_index, id)?.is_none() {
                let mut link = LegacyLink::new(XdpNetlink {
                    netlink,
                    if_index: state.if_index,
                    mode: mode.flags(),
                    program: program.clone(),
                });
                link.forget();
                return Ok(Some(link));
            }
        }
    }
    Ok(None)
}

impl Legacy for XdpNetlink {
    fn is_persistent(&self) -> bool {
        true
    }

    fn pinnable(&self) -> Option<&ProgramFd> {
        Some(&self.program)
    }

    fn if_index(&self) -> Option<u32> {
        Some(self.if_index)
    }

    fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        self.netlink
            .xdp_set(
                self.if_index,
                Some(program.as_fd()),
                (self.mode | XdpFlags::REPLACE).bits(),
                Some(self.program.as_fd()),
            )
            .map_err(LinkOperation::Update.failed())?;
        self.program = program.clone();
        Ok(())
    }

    fn undo(&mut self) -> Result<(), SyscallError> {
        let detach = |flags: XdpFlags, expected| {
            self.netlink
                .xdp_set(self.if_index, None, flags.bits(), expected)
        };
        let result = match detach(self.mode | XdpFlags::REPLACE, Some(self.program.as_fd())) {
            // Linux < 5.7 cannot compare and detach in one step.
            Err(error) if error.errno() == libc::EINVAL => {
                let ours = bpf::prog_info(self.program.as_fd())?.id;
                let state = self.netlink.xdp_query(self.if_index)?;
                match modes(&state).find(|(_, id)| *id == ours) {
                    Some((mode, _)) => detach(mode.flags(), None),
                    None => Ok(()),
                }
            }
            result => result,
        };
        match result {
            // Another program is there now (EEXIST), or the interface is gone.
            Err(error) if matches!(error.errno(), libc::EEXIST | libc::ENODEV | libc::ENXIO) => {
                Ok(())
            }
            result => result,
        }
    }
}

/// The programs of an interface with their modes.
fn modes(state: &XdpState) -> impl Iterator<Item = (XdpMode, u32)> {
    // XDP_ATTACHED_*: kernels before 4.19 give one id, and the mode apart from it.
    let single = match state.attached {
        1 => Some(XdpMode::Driver),
        2 => Some(XdpMode::Skb),
        3 => Some(XdpMode::Hardware),
        _ => None,
    };
    let ids = [
        (XdpMode::Driver, state.drv_prog_id),
        (XdpMode::Skb, state.skb_prog_id),
        (XdpMode::Hardware, state.hw_prog_id),
    ];
    let modern = ids.iter().any(|(_, id)| id.is_some());
    let old = single.zip(state.prog_id).filter(|_| !modern);
    ids.into_iter()
        .filter_map(|(mode, id)| Some((mode, id?)))
        .chain(old)
}

/// The id of the `bpf_link` that holds program `program_id` on an interface; none also where this
/// process may not list links (CAP_SYS_ADMIN) and where the kernel has none (Linux < 5.8).
fn link_on(if_index: u32, program_id: u32) -> Result<Option<u32>, SyscallError> {
    let links = crate::ids::each(bpf::link_next_id, |id| {
        bpf::link_fd_by_id(id).and_then(|fd| LinkInfo::of(fd.as_fd()))
    });
    for link in links {
        let info = match link {
            Err(error) if matches!(error.errno(), libc::EPERM | libc::EINVAL) => return Ok(None),
            other => other?,
        };
        if info.link_type() == LinkType::Xdp as u32
            && info.program_id() == program_id
            && info.target() == (LinkTarget::Interface { index: if_index })
        {
            return Ok(Some(info.id()));
        }
    }
    Ok(None)
}

/// An XDP program on an interface, however it was attached.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct XdpAttachment {
    /// Index of the interface.
    pub if_index: u32,
    /// Name of the interface.
    pub if_name: String,
    /// The mode it runs in.
    pub mode: XdpMode,
    /// Id of the program.
    pub program_id: u32,
}

impl XdpAttachment {
    /// Id of the `bpf_link` that holds it, if one does and we may look (CAP_SYS_ADMIN).
    ///
    /// # Errors
    /// If links cannot be looked at for another reason: that is not "held by none".
    pub fn link_id(&self) -> Result<Option<u32>, LinkError> {
        link_on(self.if_index, self.program_id).map_err(LinkOperation::List.failed())
    }

    /// Takes the program off the interface, no matter who attached it. Needs CAP_NET_ADMIN.
    ///
    /// # Errors
    /// [`LinkError::Replaced`] if another program is there by now, and what the kernel refuses.
    pub fn detach(&self) -> Result<(), LinkError> {
        if let Some(id) = self.link_id()? {
            return FdLink::from_id(id)?.detach();
        }
        let failed = || LinkOperation::Detach.failed();
        let netlink = Netlink::open().map_err(failed())?;
        let flags = self.mode.flags();
        // With the program's descriptor, the kernel compares (Linux ≥ 5.7). Without, all that can
        // be done is to look just before.
        if let Ok(program) = bpf::prog_fd_by_id(self.program_id) {
            let flags = (flags | XdpFlags::REPLACE).bits();
            let expected = Some(program.as_fd());
            match netlink.xdp_set(self.if_index, None, flags, expected) {
                Err(error) if error.errno() == libc::EEXIST => return Err(LinkError::Replaced),
                Err(error) if error.errno() == libc::EINVAL => {}
                result => return result.map_err(failed()),
            }
        }
        let state = netlink.xdp_query(self.if_index).map_err(failed())?;
        if !modes(&state).any(|there| there == (self.mode, self.program_id)) {
            return Err(LinkError::Replaced);
        }
        netlink
            .xdp_set(self.if_index, None, flags.bits(), None)
            .map_err(failed())
    }
}

/// All XDP programs attached in this network namespace, by links and by netlink.
///
/// # Errors
/// [`LinkError::Syscall`] if netlink does not list the interfaces.
pub fn xdp_attachments() -> Result<Vec<XdpAttachment>, LinkError> {
    let states = Netlink::open()
        .and_then(|netlink| netlink.xdp_query_all())
        .map_err(LinkOperation::List.failed())?;
    let attachments = states.iter().flat_map(|state| {
        modes(state).map(|(mode, program_id)| XdpAttachment {
            if_index: state.if_index,
            if_name: state.if_name.clone(),
            mode,
            program_id,
        })
    });
    Ok(attachments.collect())
}

/// What to attach where.
pub(crate) struct Request<'a> {
    pub(crate) program: &'a ProgramFd,
    pub(crate) if_index: u32,
    pub(crate) flags: XdpFlags,
}

/// Attaches by `bpf_link` if the kernel has XDP links (Linux ≥ 5.9), else by netlink.
pub(crate) fn attach(request: &Request<'_>) -> Result<OwnedLink, LinkError> {
    let Request {
        program,
        if_index,
        flags,
    } = *request;
    let name = place::interface_name(if_index)?;
    // REPLACE takes the place of a program attached by netlink, which only netlink can do.
    if !flags.contains(XdpFlags::REPLACE) && features::BPF_LINK.is_supported() {
        let how = How {
            attach_type: AttachType::Xdp as u32,
            flags: flags.bits(),
            ..How::default()
        };
        let place = Place::Interface(if_index);
        match attach::link_create(program.as_fd(), place, &how, "BPF_LINK_CREATE (xdp)") {
            Ok(fd) => return Ok(FdLink::new(fd).into()),
            // Links exist but not for XDP (Linux 5.7 and 5.8), or the driver refuses: then netlink
            // either works or tells in words what is wrong, which this command does not.
            Err(error) if matches!(error.errno(), libc::EINVAL | libc::EOPNOTSUPP | ENOTSUPP) => {}
            Err(error) => return Err(explain(error, name, request)),
        }
    }
    let netlink = Netlink::open().map_err(|error| LinkError::Attach {
        target: format!("interface {name:?}"),
        error,
    })?;
    let mode = flags & XdpFlags::MODES;
    // Without REPLACE, never push out another program.
    let asked = if flags.contains(XdpFlags::REPLACE) {
        mode
    } else {
        mode | XdpFlags::UPDATE_IF_NOEXIST
    };
    netlink
        .xdp_set(if_index, Some(program.as_fd()), asked.bits(), None)
        .map_err(|error| explain(error, name, request))?;
    Ok(LegacyLink::new(XdpNetlink {
        netlink,
        if_index,
        mode,
        program: program.clone(),
    })
    .into())
}

/// Turns "busy" into the name of who is there, and says what works where a mode does not.
fn explain(error: SyscallError, interface: String, request: &Request<'_>) -> LinkError {
    let if_index = request.if_index;
    let error = match (error.errno(), error.meaning()) {
        // The kernel's words have no advice.
        (libc::EOPNOTSUPP, Some(words)) if !words.contains("SKB_MODE") => {
            let words = format!("{words}; try XdpFlags::SKB_MODE");
            error.noted(words)
        }
        _ => error,
    };
    if matches!(error.errno(), libc::EBUSY | libc::EEXIST) {
        let state = Netlink::open().and_then(|netlink| netlink.xdp_query(if_index));
        if let Ok(state) = state
            && let Some((mode, program_id)) = modes(&state).next()
        {
            let own = ProgramInfo::of(request.program.as_fd());
            return LinkError::InterfaceBusy {
                interface,
                occupant: XdpOccupant {
                    program_id,
                    program_name: ProgramInfo::with_id(program_id)
                        .map(|info| info.name())
                        .unwrap_or_default(),
                    mode,
                    // Only to say more about the error.
                    link_id: link_on(if_index, program_id).unwrap_or_default(),
                    is_same: own.is_ok_and(|own| own.id() == program_id),
                },
            };
        }
    }
    LinkError::Attach {
        target: format!("interface {interface:?}"),
        error,
    }
}
