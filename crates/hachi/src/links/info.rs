//! Describing links, ours and other people's.

use std::{
    fmt,
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
};

use hachi_obj::AttachType;

use super::{LinkError, LinkOperation};
use crate::{
    Probe,
    pin::{self, PinError, PinOperation},
    sys::{
        attr,
        bpf::{self, Access},
        errno::SyscallError,
        fs::ObjectKind,
        inspect::{self, LinkType},
    },
};

/// What the kernel says about a `bpf_link`.
#[derive(Clone)]
pub struct LinkInfo {
    info: attr::LinkInfo,
    probe: Option<Probe>,
}

/// What a link attaches its program to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkTarget {
    /// A network interface (XDP, TCX, netkit); index 0 when the interface is gone.
    Interface {
        /// Its index, in its own network namespace.
        index: u32,
    },
    /// A cgroup.
    Cgroup {
        /// The inode number of its directory.
        id: u64,
    },
    /// A network namespace.
    Netns {
        /// Its inode number.
        inode: u32,
    },
    /// A function, by the ids of the BTF object it is in and of its type there: of the kernel, a
    /// module or another program.
    Function {
        /// The BTF object, or the program whose function it is.
        object: u32,
        /// The function's type.
        type_id: u32,
    },
    /// A map: of sockets, or a struct of functions.
    Map {
        /// Its id.
        id: u32,
    },
    /// A hook of netfilter.
    Netfilter {
        /// `NFPROTO_…`: 2 is IPv4, 10 is IPv6.
        family: u32,
        /// `NF_INET_…`: 0 is before routing.
        hook: u32,
        /// Lower ones run earlier.
        priority: i32,
    },
    /// Something else.
    Other,
}

impl LinkInfo {
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Result<Self, SyscallError> {
        let info = bpf::link_info(fd)?;
        let place = inspect::link_place(fd, &info)?;
        let probe = place.and_then(|place| Probe::of_link(info.prog_id, place));
        Ok(LinkInfo { info, probe })
    }

    /// The link with the given id. Needs CAP_SYS_ADMIN.
    ///
    /// # Errors
    /// [`LinkError::Syscall`] of `BPF_LINK_GET_FD_BY_ID`: ENOENT if no link has this id, EPERM
    /// without CAP_SYS_ADMIN, EINVAL on Linux < 5.8.
    pub fn from_id(id: u32) -> Result<Self, LinkError> {
        bpf::link_fd_by_id(id)
            .and_then(|fd| Self::of(fd.as_fd()))
            .map_err(LinkOperation::Describe.failed())
    }

    /// The link pinned at `path`.
    ///
    /// # Errors
    /// [`PinError::NotFound`] when nothing is pinned there, [`PinError::WrongKind`] when it is no
    /// link, and what the kernel refuses.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, PinError> {
        let path = path.as_ref();
        let link = pin::open(path, ObjectKind::Link, Access::ReadWrite)?;
        Self::of(link.as_fd())
            .map_err(|error| PinError::syscall(PinOperation::Describe, path, error))
    }

    /// The attach type of its program, of links that have one: at cgroups, network namespaces, the
    /// hooks of interfaces (TCX, netkit) and functions of the kernel.
    pub fn attach_type(&self) -> Option<AttachType> {
        let word = match LinkType::from_number(self.info.link_type)? {
            LinkType::Tracing => 0,
            LinkType::Netns | LinkType::Tcx | LinkType::Netkit | LinkType::Sockmap => 1,
            LinkType::Cgroup => 2,
            _ => return None,
        };
        AttachType::from_number(self.info.union[word])
    }

    /// Where the program is, if it is at a raw tracepoint, or (Linux ≥ 6.6) at a tracepoint, kprobe
    /// or uprobe that the link holds by a perf event.
    pub fn probe(&self) -> Option<&Probe> {
        self.probe.as_ref()
    }

    /// The id, unique among links.
    pub fn id(&self) -> u32 {
        self.info.id
    }

    /// The number of the type in `enum bpf_link_type`.
    pub fn link_type(&self) -> u32 {
        self.info.link_type
    }

    /// The kernel's name of the type, in lower case: `xdp`.
    pub fn type_name(&self) -> String {
        match LinkType::from_number(self.info.link_type) {
            Some(kind) => kind.name().to_owned(),
            None => format!("link type {}", self.info.link_type),
        }
    }

    /// The id of the attached program.
    pub fn program_id(&self) -> u32 {
        self.info.prog_id
    }

    /// What it is attached to.
    pub fn target(&self) -> LinkTarget {
        let word = |at: usize| self.info.union[at];
        match LinkType::from_number(self.info.link_type) {
            Some(LinkType::Xdp | LinkType::Tcx | LinkType::Netkit) => {
                LinkTarget::Interface { index: word(0) }
            }
            Some(LinkType::Cgroup) => {
                let (first, second) = (u64::from(word(0)), u64::from(word(1)));
                let id = if cfg!(target_endian = "big") {
                    first << 32 | second
                } else {
                    second << 32 | first
                };
                LinkTarget::Cgroup { id }
            }
            Some(LinkType::Netns) => LinkTarget::Netns { inode: word(0) },
            Some(LinkType::Tracing) if word(2) != 0 => LinkTarget::Function {
                object: word(1),
                type_id: word(2),
            },
            Some(LinkType::StructOps | LinkType::Sockmap) => LinkTarget::Map { id: word(0) },
            Some(LinkType::Netfilter) => LinkTarget::Netfilter {
                family: word(0),
                hook: word(1),
                priority: word(2) as i32,
            },
            _ => LinkTarget::Other,
        }
    }
}

impl fmt::Debug for LinkInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkInfo")
            .field("id", &self.id())
            .field("link_type", &self.type_name())
            .field("program_id", &self.program_id())
            .field("target", &self.target())
            .finish()
    }
}

/// All links on the system, in the order of their ids. Needs CAP_SYS_ADMIN; Linux ≥ 5.8.
///
/// Attachments that are no `bpf_link` are not among them: see
/// [`xdp_attachments`](super::xdp_attachments).
pub fn loaded_links() -> impl Iterator<Item = Result<LinkInfo, LinkError>> {
    crate::ids::each(bpf::link_next_id, |id| {
        bpf::link_fd_by_id(id).and_then(|fd| LinkInfo::of(fd.as_fd()))
    })
    .map(|result| result.map_err(LinkOperation::List.failed()))
}
