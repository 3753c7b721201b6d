//! Links with a name in a BPF file system.

use std::{
    fs,
    os::fd::{AsFd as _, BorrowedFd},
    path::{Path, PathBuf},
};

use super::{FdLink, LinkError, OwnedLink, tc, xdp};
use crate::{
    fd::ProgramFd,
    pin::{self, BPFFS, PinError, PinOperation, PinProblem},
    sys::{bpf::Access, fs::ObjectKind},
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
    /// Where the attachment has no `bpf_link` but goes on by itself (see
    /// [`LegacyLink`](super::LegacyLink)), its program is pinned instead, and
    /// [`PinnedLink::from_pin`] finds the attachment by it. Such an attachment stays when the pin
    /// is removed by hand; [`PinnedLink::unpin`] gives a guard that detaches in both cases.
    ///
    /// On error the link is dropped, so the program is detached: nothing is left half done.
    ///
    /// # Errors
    /// [`PinError::NotBpffs`] if `path` is on another file system, [`PinError::Taken`] if something
    /// is there, [`PinError::Unsuitable`] if such an attachment cannot outlive the process;
    /// otherwise what `mkdir` and `BPF_OBJ_PIN` refuse.
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
    ///
    /// # Errors
    /// As [`pin`](Self::pin): [`PinError::NotBpffs`] where no BPF file system is mounted at
    /// `/sys/fs/bpf`.
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
    ///
    /// # Errors
    /// [`PinError::NotBpffs`] if `path` is on another file system, [`PinError::Taken`] if something
    /// is there, [`PinError::Unsuitable`] if such an attachment cannot outlive the process;
    /// otherwise what `mkdir` and `BPF_OBJ_PIN` refuse.
    pub fn pin<P: AsRef<Path>>(self, path: P) -> Result<PinnedLink, PinError> {
        OwnedLink::Fd(self).pin(path)
    }
}

/// An attachment that is pinned. Dropping this changes nothing: the pin keeps the attachment.
///
/// ```no_run
/// use hachi::links::PinnedLink;
/// use hachi::programs::{Xdp, XdpFlags};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut Xdp = ebpf.program_mut("firewall")?.try_into()?;
/// program.load()?;
/// let link = program.attach("eth0", XdpFlags::default())?;
/// program.take_link(link)?.pin("/sys/fs/bpf/firewall")?;
/// // Later, in any process: without the pin, dropping the link detaches.
/// let link = PinnedLink::from_pin("/sys/fs/bpf/firewall")?.unpin()?;
/// # Ok(()) }
/// ```
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
    ///
    /// # Errors
    /// [`PinError::NotFound`] if nothing is pinned there, [`PinError::WrongKind`] for a map,
    /// [`PinError::Unsuitable`] for a program that is not attached by netlink; otherwise what
    /// `BPF_OBJ_GET` refuses (EACCES, EPERM).
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, PinError> {
        let path = path.as_ref();
        let (fd, kind) = pin::open_any(path, Access::ReadWrite)?;
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

    /// Removes the pin and hands over the link, which ends the attachment when it is dropped.
    ///
    /// The kernel gives up the pin's own hold of a `bpf_link` some milliseconds later, and the
    /// attachment ends then; [`OwnedLink::detach`] ends it at once.
    ///
    /// # Errors
    /// [`PinProblem::Replaced`] if something else has been pinned at the path since, and what the
    /// system refuses.
    pub fn unpin(self) -> Result<OwnedLink, PinError> {
        let (fd, kind) = self.object()?;
        pin::remove_own(&self.path, fd, kind)?;
        let mut link = self.link;
        link.hold();
        Ok(link)
    }

    /// What the pin is of.
    fn object(&self) -> Result<(BorrowedFd<'_>, ObjectKind), PinError> {
        Ok(match &self.link {
            OwnedLink::Fd(link) => (link.as_fd(), ObjectKind::Link),
            OwnedLink::Legacy(link) => (link.pinnable(&self.path)?.as_fd(), ObjectKind::Program),
        })
    }

    /// Makes the attachment run `program` from now on, without a gap in between. Linux ≥ 5.7.
    ///
    /// # Errors
    /// [`LinkError::Replaced`] if another program has taken its place, [`PinProblem::Replaced`] if
    /// something else has been pinned at the path, and what the kernel refuses. Nothing is changed
    /// then.
    pub fn update(&mut self, program: &ProgramFd) -> Result<(), LinkError> {
        if let OwnedLink::Fd(link) = &mut self.link {
            return link.update(program);
        }
        // The pin is of the old program. A rename puts the new one there in one step.
        let (old, kind) = self.object()?;
        if !pin::is_pin_of(&self.path, old, kind)? {
            return Err(LinkError::Pin(PinError::Unsuitable {
                path: self.path.clone(),
                problem: PinProblem::Replaced,
            }));
        }
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(format!("_new_{}", std::process::id()));
        let temporary = PathBuf::from(temporary);
        pin::pin(program.as_fd(), &temporary, ObjectKind::Program)?;
        let updated = self.link.update(program).and_then(|()| {
            fs::rename(&temporary, &self.path)
                .map_err(|error| PinError::io(PinOperation::Replace, &self.path, error).into())
        });
        updated.inspect_err(|_| {
            // The error that led here is the one to tell.
            let _ = fs::remove_file(&temporary);
        })
    }

    /// The attachment itself.
    pub fn link(&self) -> &OwnedLink {
        &self.link
    }
}

impl From<PinnedLink> for OwnedLink {
    /// The pin stays, and keeps the attachment when the link is dropped.
    fn from(link: PinnedLink) -> Self {
        link.link
    }
}
