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
//! ways to attach ([`XdpNetlinkLink`]) have no descriptor and stay until they are undone; the types
//! here make them obey the same rule.

mod error;
mod fd;
mod info;
mod pinned;
mod xdp;

use std::{
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

pub use error::LinkError;
pub use fd::FdLink;
pub use info::{LinkInfo, LinkTarget, loaded_links};
pub use pinned::PinnedLink;
pub(crate) use xdp::{Request as XdpRequest, attach as attach_xdp};
pub use xdp::{XdpAttachment, XdpLink, XdpLinkId, XdpMode, XdpNetlinkLink, xdp_attachments};

use crate::{
    pin::{self, BPFFS, PinError},
    programs::ProgramFd,
    sys::fs::ObjectKind,
};

/// What all links of one type have.
pub trait Link: Sized {
    /// How the owner of several links tells them apart.
    type Id: Copy + Eq + std::fmt::Debug;

    /// This link's id.
    fn id(&self) -> Self::Id;

    /// Ends the attachment now. Dropping the link does the same, but cannot report errors.
    fn detach(self) -> Result<(), LinkError>;
}

/// An attachment of any kind, owned: detaches when dropped.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnedLink {
    /// A `bpf_link`.
    Fd(FdLink),
    /// An XDP program attached by netlink, as on kernels before 5.9.
    XdpNetlink(XdpNetlinkLink),
}

/// What makes an attachment go on after [`OwnedLink::keep`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// It was pinned here: a `bpf_link` lives exactly as long as something refers to it. Removing
    /// the pin detaches.
    Pinned(PathBuf),
    /// Nothing: attachments of this kind stay until someone undoes them (for XDP by netlink:
    /// `ip link set dev IFACE xdp off`) or the interface goes away.
    Persistent,
}

impl OwnedLink {
    /// Ends the attachment now. A `bpf_link` is also detached when it is pinned somewhere (Linux ≥
    /// 5.9).
    pub fn detach(self) -> Result<(), LinkError> {
        match self {
            OwnedLink::Fd(link) => link.detach(),
            OwnedLink::XdpNetlink(link) => link.detach(),
        }
    }

    /// Pins the link at `path` on a BPF file system: it outlives the process, until the pin is
    /// removed.
    ///
    /// Where the attachment has no `bpf_link` (see [`XdpNetlinkLink`]), its program is pinned
    /// instead, and [`PinnedLink::from_pin`] finds the attachment by it. Such an attachment stays
    /// when the pin is removed by hand; [`PinnedLink::unpin`] gives a guard that detaches in both
    /// cases.
    ///
    /// On error the link is dropped, so the program is detached: nothing is left half done.
    pub fn pin<P: AsRef<Path>>(self, path: P) -> Result<PinnedLink, PinError> {
        let path = path.as_ref();
        match &self {
            OwnedLink::Fd(link) => pin::pin(link.as_fd(), path, ObjectKind::Link)?,
            OwnedLink::XdpNetlink(link) => {
                pin::pin(link.program().as_fd(), path, ObjectKind::Program)?;
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
        let kept = match &self {
            OwnedLink::Fd(link) => {
                let path = Path::new(BPFFS).join("hachi/links");
                let id = link
                    .info()
                    .map_err(|error| PinError::syscall("pin below", &path, error))?
                    .id();
                let path = path.join(id.to_string());
                pin::pin(link.as_fd(), &path, ObjectKind::Link)?;
                Kept::Pinned(path)
            }
            OwnedLink::XdpNetlink(_) => Kept::Persistent,
        };
        self.forget();
        Ok(kept)
    }

    /// From now on, dropping this does not detach.
    fn forget(&mut self) {
        match self {
            OwnedLink::Fd(link) => link.forget(),
            OwnedLink::XdpNetlink(link) => link.forget(),
        }
    }

    /// From now on, dropping this detaches.
    fn hold(&mut self) {
        match self {
            OwnedLink::Fd(link) => link.hold(),
            OwnedLink::XdpNetlink(link) => link.hold(),
        }
    }

    /// Makes the attachment run `program` from now on, without a gap in between. Linux ≥ 5.7.
    pub fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        match self {
            OwnedLink::Fd(link) => link.update(program),
            OwnedLink::XdpNetlink(link) => link.update(program),
        }
    }

    /// The index of the interface it is on, for those that are on one.
    pub fn if_index(&self) -> Option<u32> {
        match self {
            OwnedLink::Fd(link) => match link.info().ok()?.target() {
                LinkTarget::Interface { index } => Some(index),
                _ => None,
            },
            OwnedLink::XdpNetlink(link) => Some(link.if_index()),
        }
    }
}

impl From<FdLink> for OwnedLink {
    fn from(link: FdLink) -> Self {
        OwnedLink::Fd(link)
    }
}

/// The links of one loaded program.
#[derive(Debug)]
pub(crate) struct Links<L>(Vec<L>);

impl<L: Link> Links<L> {
    pub(crate) const fn new() -> Self {
        Links(Vec::new())
    }

    pub(crate) fn insert(&mut self, link: L) -> L::Id {
        let id = link.id();
        self.0.push(link);
        id
    }

    pub(crate) fn take(&mut self, id: L::Id) -> Result<L, LinkError> {
        match self.0.iter().position(|link| link.id() == id) {
            Some(position) => Ok(self.0.remove(position)),
            None => Err(LinkError::NotAttached),
        }
    }

    pub(crate) fn detach_all(&mut self) -> Result<(), LinkError> {
        // All of them, even if one fails; the first error is told.
        let mut result = Ok(());
        for link in self.0.drain(..) {
            result = result.and(link.detach());
        }
        result
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &L> {
        self.0.iter()
    }
}

/// A number no other link of this process has.
pub(crate) fn next_id() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Fake<'a>(u64, &'a Cell<u64>);

    impl Link for Fake<'_> {
        type Id = u64;
        fn id(&self) -> u64 {
            self.0
        }
        fn detach(self) -> Result<(), LinkError> {
            Ok(())
        }
    }

    impl Drop for Fake<'_> {
        fn drop(&mut self) {
            self.1.set(self.1.get() * 10 + self.0);
        }
    }

    #[test]
    fn the_set_owns_until_taken() {
        let dropped = Cell::new(0);
        let mut links = Links::new();
        let one = links.insert(Fake(1, &dropped));
        links.insert(Fake(2, &dropped));
        let taken = links.take(one).unwrap();
        assert_eq!(dropped.get(), 0);
        assert!(matches!(links.take(one), Err(LinkError::NotAttached)));
        drop(links);
        assert_eq!(dropped.get(), 2);
        drop(taken);
        assert_eq!(dropped.get(), 21);
    }
}
