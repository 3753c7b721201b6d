//! Links with a name in a BPF file system.

use std::{
    fs,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use super::{FdLink, LinkError, OwnedLink, tc, xdp};
use crate::{
    fd::ProgramFd,
    pin::{self, BPFFS, PinError, PinOperation, PinProblem},
    sys::fs::ObjectKind,
};

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
    /// Pins the link at `path` on a BPF file system: it outlives the process, until the pin is
    /// removed.
    ///
    /// Where the attachment has no `bpf_link` but goes on by itself (see [`LegacyLink`](super::LegacyLink)), its
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
                    .map_err(|error| PinError::syscall(PinOperation::Pin, &directory, error))?
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
}

impl FdLink {
    /// Pins the link; as [`OwnedLink::pin`].
    pub fn pin<P: AsRef<Path>>(self, path: P) -> Result<PinnedLink, PinError> {
        OwnedLink::Fd(self).pin(path)
    }
}

/// An attachment that is pinned. Dropping this changes nothing: the pin keeps the attachment.
#[derive(Debug)]
pub struct PinnedLink {
    path: PathBuf,
    link: OwnedLink,
}

impl PinnedLink {
    pub(crate) fn new(path: &Path, mut link: OwnedLink) -> Self {
        link.forget();
        PinnedLink {
            path: path.to_owned(),
            link,
        }
    }

    /// Opens the link pinned at `path`, in this or another process.
    ///
    /// A pinned program of type XDP or a pinned classifier is taken for the pin of an attachment by
    /// netlink (see [`OwnedLink::pin`]) if it is attached to an interface of this network namespace
    /// that way.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, PinError> {
        let path = path.as_ref();
        let (fd, kind) = pin::open_any(path)?;
        let link = match kind {
            ObjectKind::Link => OwnedLink::Fd(FdLink::new(fd)),
            ObjectKind::Program => {
                let program = ProgramFd::new(fd);
                let found = xdp::find(&program).and_then(|found| match found {
                    Some(link) => Ok(Some(link)),
                    None => tc::find(&program),
                });
                match found
                    .map_err(|error| PinError::syscall(PinOperation::FindAttachment, path, error))?
                {
                    Some(link) => OwnedLink::Legacy(link),
                    None => {
                        return Err(PinError::Unsuitable {
                            path: path.to_owned(),
                            problem: PinProblem::NotAttached,
                        });
                    }
                }
            }
            ObjectKind::Map => {
                return Err(PinError::WrongKind {
                    path: path.to_owned(),
                    expected: ObjectKind::Link,
                    found: kind,
                });
            }
        };
        Ok(PinnedLink::new(path, link))
    }

    /// Where it is pinned.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the pin and hands over the link: a guard that detaches when dropped.
    pub fn unpin(self) -> Result<OwnedLink, PinError> {
        fs::remove_file(&self.path)
            .map_err(|error| PinError::io(PinOperation::Remove, &self.path, error))?;
        let mut link = self.link;
        link.hold();
        Ok(link)
    }

    /// Makes the attachment run `program` from now on, without a gap in between. Linux ≥ 5.7.
    pub fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        self.link.update(program)?;
        if let OwnedLink::Legacy(_) = &self.link {
            // The pin is of the old program. A rename puts the new one there in one step.
            let mut temporary = self.path.clone().into_os_string();
            temporary.push("_new");
            let temporary = PathBuf::from(temporary);
            pin::pin(program.as_fd(), &temporary, ObjectKind::Program)?;
            fs::rename(&temporary, &self.path).map_err(|error| {
                let _ = fs::remove_file(&temporary);
                PinError::io(PinOperation::Replace, &self.path, error)
            })?;
        }
        Ok(())
    }

    /// The attachment itself.
    pub fn link(&self) -> &OwnedLink {
        &self.link
    }
}
