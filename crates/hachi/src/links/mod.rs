//! Links: attachments of programs to what runs them.
//!
//! One ownership rule for all of them:
//!
//! - `attach` returns an id, and the loaded program owns the link. Throwing the id away changes
//!   nothing.
//! - Dropping the program (that is, the [`Ebpf`](crate::Ebpf)) detaches.
//! - `take_link(id)` hands the link over: an owning guard, which detaches when it is dropped.
//! - [`pin`](OwnedLink::pin) and [`keep`](OwnedLink::keep) make the attachment outlive the process;
//!   [`PinnedLink::from_pin`] finds it again.
//!
//! Under the hood a link is a `bpf_link` descriptor ([`FdLink`]) where the kernel has those. Older
//! ways to attach have none ([`LegacyLink`]): some last until they are undone, some as long as
//! another descriptor. The types here make them obey the same rule.

pub(crate) mod attached;
pub(crate) mod cgroup;
mod error;
mod fd;
mod info;
pub(crate) mod iter;
pub(crate) mod kprobe;
mod legacy;
pub(crate) mod multi;
pub(crate) mod netfilter;
pub(crate) mod netns;
mod order;
pub(crate) mod perf_event;
mod pinned;
mod query;
pub(crate) mod sock_map;
pub(crate) mod socket;
pub(crate) mod tc;
pub(crate) mod tcx;
pub(crate) mod tracing;
#[cfg(feature = "uprobe")]
pub(crate) mod uprobe;
#[cfg(feature = "uprobe")]
pub(crate) mod usdt;
pub(crate) mod xdp;

use std::{
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

pub use cgroup::CgroupAttachMode;
pub use error::LinkError;
pub use fd::FdLink;
pub use info::{LinkInfo, LinkTarget, loaded_links};
pub(crate) use legacy::Legacy;
pub use legacy::LegacyLink;
pub use order::LinkOrder;
pub use pinned::PinnedLink;
pub(crate) use query::interface_index;
pub use query::{AttachedProgram, Attachments};
pub use tc::{TcFilterInfo, tc_filters};
pub(crate) use xdp::{Request as XdpRequest, attach as attach_xdp};
pub use xdp::{XdpAttachment, XdpLink, XdpLinkId, XdpMode, xdp_attachments};

use crate::{
    fd::ProgramFd,
    pin::{self, BPFFS, PinError},
    sys::fs::ObjectKind,
};

/// Names one attachment of a program. No two of a process have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId(u64);

impl LinkId {
    fn next() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        LinkId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// An attachment of any kind, owned: detaches when dropped.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnedLink {
    /// A `bpf_link`.
    Fd(FdLink),
    /// An attachment that has no `bpf_link`, as many on older kernels.
    Legacy(LegacyLink),
}

/// What makes an attachment go on after [`OwnedLink::keep`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// It was pinned here: a `bpf_link` lives exactly as long as something refers to it. Removing
    /// the pin detaches.
    Pinned(PathBuf),
    /// Nothing: attachments of this kind stay until someone undoes them (for XDP by netlink:
    /// `ip link set dev IFACE xdp off`) or what they are on goes away.
    Persistent,
}

impl OwnedLink {
    /// Ends the attachment now. Dropping the link does the same, but cannot report errors. A
    /// `bpf_link` is also detached when it is pinned somewhere (Linux ≥ 5.9).
    pub fn detach(self) -> Result<(), LinkError> {
        match self {
            OwnedLink::Fd(link) => link.detach(),
            OwnedLink::Legacy(link) => link.detach(),
        }
    }

    /// Pins the link at `path` on a BPF file system: it outlives the process, until the pin is
    /// removed.
    ///
    /// Where the attachment has no `bpf_link` but goes on by itself (see [`LegacyLink`]), its
    /// program is pinned instead, and [`PinnedLink::from_pin`] finds the attachment by it. Such an
    /// attachment stays when the pin is removed by hand; [`PinnedLink::unpin`] gives a guard that
    /// detaches in both cases.
    ///
    /// On error the link is dropped, so the program is detached: nothing is left half done.
    pub fn pin<P: AsRef<Path>>(self, path: P) -> Result<PinnedLink, PinError> {
        self.pin_at(path.as_ref())
    }

    fn pin_at(self, path: &Path) -> Result<PinnedLink, PinError> {
        match &self {
            OwnedLink::Fd(link) => pin::pin(link.as_fd(), path, ObjectKind::Link)?,
            OwnedLink::Legacy(link) => {
                let program = link.pinnable(path)?;
                pin::pin(program.as_fd(), path, ObjectKind::Program)?;
            }
        }
        Ok(PinnedLink::new(path, self))
    }

    /// Makes the attachment outlive the process without choosing a path.
    ///
    /// The kernel ends a `bpf_link` with the last reference to it, so there is no such thing as
    /// just forgetting it: it is pinned at `/sys/fs/bpf/hachi/links/ID`. The answer says where. On
    /// error the link is dropped, so the program is detached.
    pub fn keep(mut self) -> Result<Kept, PinError> {
        let directory = Path::new(BPFFS).join("hachi/links");
        let kept = match &self {
            OwnedLink::Fd(link) => {
                let id = link
                    .info()
                    .map_err(|error| PinError::syscall("pin below", &directory, error))?
                    .id();
                let path = directory.join(id.to_string());
                pin::pin(link.as_fd(), &path, ObjectKind::Link)?;
                Kept::Pinned(path)
            }
            OwnedLink::Legacy(link) => {
                link.check_persistent(&directory)?;
                Kept::Persistent
            }
        };
        self.forget();
        Ok(kept)
    }

    /// From now on, dropping this does not detach.
    fn forget(&mut self) {
        match self {
            OwnedLink::Fd(link) => link.forget(),
            OwnedLink::Legacy(link) => link.forget(),
        }
    }

    /// From now on, dropping this detaches.
    fn hold(&mut self) {
        match self {
            OwnedLink::Fd(link) => link.hold(),
            OwnedLink::Legacy(link) => link.hold(),
        }
    }

    /// Makes the attachment run `program` from now on, without a gap in between. Linux ≥ 5.7.
    pub fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        match self {
            OwnedLink::Fd(link) => link.update(program),
            OwnedLink::Legacy(link) => link.update(program),
        }
    }

    /// Priority and handle, if it is a filter of a qdisc.
    pub fn tc_filter(&self) -> Option<(u16, u32)> {
        match self {
            OwnedLink::Fd(_) => None,
            OwnedLink::Legacy(link) => link.tc_filter(),
        }
    }

    /// As [`update`](Self::update), provided the attachment runs `old` until then (else `EPERM`);
    /// for links of the kernel.
    pub fn replace(&mut self, old: &ProgramFd, new: &ProgramFd) -> Result<(), LinkError> {
        match self {
            OwnedLink::Fd(link) => link.replace(old, new),
            OwnedLink::Legacy(_) => Err(LinkError::WrongKind(
                "an attachment without a bpf_link cannot compare and exchange its program",
            )),
        }
    }

    /// The index of the interface it is on; `None` when it is on none, or that is gone.
    pub fn if_index(&self) -> Option<u32> {
        let index = match self {
            OwnedLink::Fd(link) => match link.info().ok()?.target() {
                LinkTarget::Interface { index } => Some(index),
                _ => None,
            },
            OwnedLink::Legacy(link) => link.if_index(),
        };
        index.filter(|&index| index != 0)
    }
}

impl From<FdLink> for OwnedLink {
    fn from(link: FdLink) -> Self {
        OwnedLink::Fd(link)
    }
}

impl TryFrom<OwnedLink> for FdLink {
    type Error = LinkError;

    /// Fails for an attachment without a `bpf_link` (and detaches it: the link is consumed).
    fn try_from(link: OwnedLink) -> Result<Self, LinkError> {
        match link {
            OwnedLink::Fd(link) => Ok(link),
            OwnedLink::Legacy(_) => Err(LinkError::WrongKind(
                "the program is attached in a way of older kernels: there is no bpf_link",
            )),
        }
    }
}

/// The links of one loaded program.
#[derive(Debug)]
pub(crate) struct Links(Vec<(LinkId, OwnedLink)>);

impl Links {
    pub(crate) const fn new() -> Self {
        Links(Vec::new())
    }

    pub(crate) fn insert(&mut self, link: OwnedLink) -> LinkId {
        let id = LinkId::next();
        self.0.push((id, link));
        id
    }

    pub(crate) fn take(&mut self, id: LinkId) -> Result<OwnedLink, LinkError> {
        match self.0.iter().position(|(other, _)| *other == id) {
            Some(position) => Ok(self.0.remove(position).1),
            None => Err(LinkError::NotAttached),
        }
    }

    pub(crate) fn detach_all(&mut self) -> Result<(), LinkError> {
        // All of them, even if one fails; the first error is told.
        let mut result = Ok(());
        for (_, link) in self.0.drain(..) {
            result = result.and(link.detach());
        }
        result
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, (LinkId, OwnedLink)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::sys::errno::SyscallError;

    #[derive(Debug)]
    struct Fake(u64, Arc<Mutex<Vec<u64>>>);

    impl Legacy for Fake {
        fn undo(&mut self) -> Result<(), SyscallError> {
            self.1.lock().unwrap().push(self.0);
            Ok(())
        }
    }

    #[test]
    fn the_set_owns_until_taken() {
        let undone = Arc::new(Mutex::new(Vec::new()));
        let fake = |number| OwnedLink::from(LegacyLink::new(Fake(number, undone.clone())));
        let mut links = Links::new();
        let one = links.insert(fake(1));
        links.insert(fake(2));
        let taken = links.take(one).unwrap();
        assert!(undone.lock().unwrap().is_empty());
        assert!(matches!(links.take(one), Err(LinkError::NotAttached)));
        drop(links);
        assert_eq!(*undone.lock().unwrap(), [2]);
        drop(taken);
        assert_eq!(*undone.lock().unwrap(), [2, 1]);
        fake(3).detach().unwrap();
        assert_eq!(*undone.lock().unwrap(), [2, 1, 3], "once");
    }

    #[test]
    fn what_ends_with_the_process_cannot_be_pinned() {
        let undone = Arc::new(Mutex::new(Vec::new()));
        let link = OwnedLink::from(LegacyLink::new(Fake(1, undone.clone())));
        let error = link.pin("/nowhere").unwrap_err().to_string();
        assert!(
            error.contains("/nowhere") && error.contains("bpf_link"),
            "{error}"
        );
        assert_eq!(*undone.lock().unwrap(), [1]);
    }
}
