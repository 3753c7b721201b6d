//! How programs are attached, and how long.

use std::{
    error::Error,
    fmt, fs, io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd},
    path::Path,
};

pub use hachi::programs::CgroupAttachMode;
use hachi_aya_obj::generated::bpf_link_type;

use crate::{pin::PinError, programs::ProgramError, sys::SyscallError};

/// Two are the same when their ids are.
macro_rules! by_id {
    ($link:ident) => {
        impl PartialEq for $link {
            fn eq(&self, other: &Self) -> bool {
                use $crate::programs::links::Link;
                Link::id(self) == Link::id(other)
            }
        }

        impl Eq for $link {}

        impl std::hash::Hash for $link {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                $crate::programs::links::Link::id(self).hash(state);
            }
        }
    };
}
pub(crate) use by_id;

/// Defines the link of a type of program, and its id.
macro_rules! link_type {
    ($program:literal, $link:ident, $id:ident) => {
        #[doc = concat!("Names an attachment of a program of type ", $program, ".")]
        #[derive(Debug, PartialEq, Eq, Hash)]
        pub struct $id(pub(crate) hachi::links::LinkId);

        #[doc = concat!("An attachment of a program of type ", $program, ".")]
        ///
        /// Dropping it detaches.
        #[derive(Debug)]
        pub struct $link {
            pub(crate) link: hachi::links::OwnedLink,
            pub(crate) id: hachi::links::LinkId,
        }

        impl $crate::programs::links::Link for $link {
            type Id = $id;

            fn id(&self) -> Self::Id {
                $id(self.id)
            }

            fn detach(self) -> Result<(), $crate::programs::ProgramError> {
                Ok(self.link.detach()?)
            }
        }
        $crate::programs::links::by_id!($link);

        impl $link {
            #[allow(dead_code, reason = "not all are made from another link")]
            pub(crate) fn from_owned(link: hachi::links::OwnedLink) -> Self {
                $link {
                    link,
                    id: hachi::links::LinkId::unique(),
                }
            }

            /// What names it within its program.
            pub fn id(&self) -> $id {
                $id(self.id)
            }

            /// Ends the attachment.
            ///
            /// # Errors
            /// What the kernel refuses.
            pub fn detach(self) -> Result<(), $crate::programs::ProgramError> {
                Ok(self.link.detach()?)
            }
        }
    };
}
pub(crate) use link_type;

/// What a link can be made into and from: a row for each kind of base that it has in Aya.
macro_rules! conversions {
    // Always a `bpf_link`.
    (fd, $link:ident) => {
        impl From<$link> for $crate::programs::links::FdLink {
            fn from(link: $link) -> Self {
                match link.link {
                    hachi::links::OwnedLink::Fd(link) => $crate::programs::links::FdLink(link),
                    _ => unreachable!("attachments of this type are links on every kernel"),
                }
            }
        }

        impl From<$crate::programs::links::FdLink> for $link {
            fn from(link: $crate::programs::links::FdLink) -> Self {
                $link::from_owned(link.0.into())
            }
        }
    };
    // A `bpf_link` of this type, where the kernel has those.
    ($kind:ident of_type, $link:ident) => {
        $crate::programs::links::conversions!(cgroup, $link);

        impl TryFrom<$crate::programs::links::FdLink> for $link {
            type Error = $crate::programs::links::LinkError;

            fn try_from(link: $crate::programs::links::FdLink) -> Result<Self, Self::Error> {
                match link.info()?.link_type()? {
                    $crate::programs::links::LinkType::$kind => {
                        Ok($link::from_owned(link.0.into()))
                    }
                    _ => Err($crate::programs::links::LinkError::InvalidLink),
                }
            }
        }
    };
    // A `bpf_link`, where the kernel has those.
    (cgroup, $link:ident) => {
        impl TryFrom<$link> for $crate::programs::links::FdLink {
            type Error = $crate::programs::links::LinkError;

            fn try_from(link: $link) -> Result<Self, Self::Error> {
                let link = hachi::links::FdLink::try_from(link.link)?;
                Ok($crate::programs::links::FdLink(link))
            }
        }
    };
    // By `BPF_PROG_ATTACH`.
    (prog, $link:ident) => {
        impl From<$link> for $crate::programs::links::ProgAttachLink {
            fn from(link: $link) -> Self {
                $crate::programs::links::ProgAttachLink {
                    link: link.link,
                    id: link.id,
                }
            }
        }

        impl From<$crate::programs::links::ProgAttachLink> for $link {
            fn from(link: $crate::programs::links::ProgAttachLink) -> Self {
                $link {
                    link: link.link,
                    id: link.id,
                }
            }
        }
    };
}
pub(crate) use conversions;

link_type!(
    "those attached by `BPF_PROG_ATTACH`",
    ProgAttachLink,
    ProgAttachLinkId
);

/// An attachment of a program.
pub trait Link: fmt::Debug + Eq + std::hash::Hash + 'static {
    /// What names it within its program.
    type Id: fmt::Debug + Eq + std::hash::Hash;

    /// What names it within its program.
    fn id(&self) -> Self::Id;

    /// Ends it.
    ///
    /// # Errors
    /// What the kernel refuses.
    fn detach(self) -> Result<(), ProgramError>;
}

/// An error of links.
#[derive(Debug)]
pub enum LinkError {
    /// The attachment is not a `bpf_link`, as the operation wants.
    InvalidLink,
    /// A system call failed.
    SyscallError(SyscallError),
    /// The kernel has a type of link that has no name here.
    UnknownLinkType(u32),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::InvalidLink => f.write_str("the attachment is not a `bpf_link`"),
            LinkError::SyscallError(error) => write!(f, "{error}: {}", error.io_error),
            LinkError::UnknownLinkType(number) => write!(f, "unknown type of link {number}"),
        }
    }
}

impl Error for LinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LinkError::SyscallError(error) => Some(error),
            LinkError::InvalidLink | LinkError::UnknownLinkType(_) => None,
        }
    }
}

impl From<SyscallError> for LinkError {
    fn from(error: SyscallError) -> Self {
        LinkError::SyscallError(error)
    }
}

impl From<hachi::links::LinkError> for LinkError {
    fn from(error: hachi::links::LinkError) -> Self {
        use hachi::links::LinkError as Hachi;
        match error {
            Hachi::NeedsBpfLink(_) => LinkError::InvalidLink,
            Hachi::Attach { error, .. }
            | Hachi::Syscall { error, .. }
            | Hachi::Query { error, .. } => LinkError::SyscallError(error.into()),
            other => LinkError::SyscallError(SyscallError {
                call: "bpf_link_create",
                io_error: io::Error::other(other),
            }),
        }
    }
}

/// A `bpf_link`: detaches when it is dropped, unless it is pinned.
#[derive(Debug)]
#[repr(transparent)]
pub struct FdLink(pub(crate) hachi::links::FdLink);

/// Names a [`FdLink`] in this process.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct FdLinkId(RawFd);

impl Link for FdLink {
    type Id = FdLinkId;

    fn id(&self) -> Self::Id {
        FdLinkId(self.as_fd().as_raw_fd())
    }

    /// Closes the descriptor: what is pinned stays.
    fn detach(self) -> Result<(), ProgramError> {
        drop(self);
        Ok(())
    }
}
by_id!(FdLink);

/// The pin stays, and keeps the attachment.
impl From<PinnedLink> for FdLink {
    fn from(link: PinnedLink) -> Self {
        match hachi::links::OwnedLink::from(link.0) {
            hachi::links::OwnedLink::Fd(link) => FdLink(link),
            _ => unreachable!("`from_pin` and `pin` give `bpf_link`s alone"),
        }
    }
}

impl FdLink {
    /// Pins the attachment, so that it outlives the process.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn pin<P: AsRef<Path>>(self, path: P) -> Result<PinnedLink, PinError> {
        Ok(PinnedLink(hachi::links::OwnedLink::from(self.0).pin(path)?))
    }

    /// What the kernel says about it.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn info(&self) -> Result<LinkInfo, LinkError> {
        Ok(LinkInfo(self.0.info().map_err(SyscallError::from)?))
    }
}

impl AsFd for FdLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A pinned attachment, which outlives the process.
#[derive(Debug)]
pub struct PinnedLink(hachi::links::PinnedLink);

impl PinnedLink {
    /// Opens the attachment pinned at `path`.
    ///
    /// # Errors
    /// [`LinkError::SyscallError`] when there is none.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, LinkError> {
        match hachi::links::PinnedLink::from_pin(path) {
            Ok(link) if !matches!(link.link(), hachi::links::OwnedLink::Fd(_)) => {
                Err(LinkError::InvalidLink)
            }
            Ok(link) => Ok(PinnedLink(link)),
            Err(error) => Err(LinkError::SyscallError(SyscallError {
                call: "BPF_OBJ_GET",
                io_error: crate::pin::io_error(error),
            })),
        }
    }

    /// Removes the pin: the attachment lasts as long as what is returned.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn unpin(self) -> Result<FdLink, io::Error> {
        let link = self.0.unpin().map_err(crate::pin::io_error)?;
        let link = hachi::links::FdLink::try_from(link).map_err(io::Error::other)?;
        Ok(FdLink(link))
    }
}

macro_rules! link_types {
    ($($name:ident = $number:literal,)*) => {
        /// The type of a link (`enum bpf_link_type`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum LinkType {
            $(
                #[doc = concat!("Number ", stringify!($number), " of the kernel.")]
                $name = $number,
            )*
        }

        impl TryFrom<u32> for LinkType {
            type Error = LinkError;

            fn try_from(number: u32) -> Result<Self, LinkError> {
                match number {
                    $($number => Ok(LinkType::$name),)*
                    other => Err(LinkError::UnknownLinkType(other)),
                }
            }
        }
    };
}

impl TryFrom<bpf_link_type> for LinkType {
    type Error = LinkError;

    fn try_from(kind: bpf_link_type) -> Result<Self, LinkError> {
        LinkType::try_from(kind as u32)
    }
}

link_types! {
    Unspecified = 0,
    RawTracePoint = 1,
    Tracing = 2,
    Cgroup = 3,
    Iter = 4,
    Netns = 5,
    Xdp = 6,
    PerfEvent = 7,
    KProbeMulti = 8,
    StructOps = 9,
    Netfilter = 10,
    Tcx = 11,
    UProbeMulti = 12,
    Netkit = 13,
}

/// What the kernel says about a link.
#[derive(Debug)]
pub struct LinkInfo(pub(crate) hachi::links::LinkInfo);

impl LinkInfo {
    /// The id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The id of its program.
    pub fn program_id(&self) -> u32 {
        self.0.program_id()
    }

    /// The type.
    ///
    /// # Errors
    /// [`LinkError::UnknownLinkType`].
    pub fn link_type(&self) -> Result<LinkType, LinkError> {
        LinkType::try_from(self.0.link_type())
    }
}

/// All links, of whatever process. Needs CAP_SYS_ADMIN. Linux ≥ 5.8.
pub fn loaded_links() -> impl Iterator<Item = Result<LinkInfo, LinkError>> {
    hachi::links::loaded_links().map(|info| Ok(LinkInfo(info?)))
}

/// A link of a program that can stand in a row with others.
pub trait MultiProgLink {
    /// Its descriptor.
    ///
    /// # Errors
    /// [`LinkError::InvalidLink`] when it is no `bpf_link`.
    fn fd(&self) -> Result<BorrowedFd<'_>, LinkError>;

    /// The kernel's id of it.
    #[doc(hidden)]
    fn link_id(&self) -> Result<u32, LinkError>;
}

/// A program that can stand in a row with others.
pub trait MultiProgram {
    /// Its descriptor.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`].
    fn fd(&self) -> Result<BorrowedFd<'_>, ProgramError>;

    /// The kernel's id of it.
    #[doc(hidden)]
    fn program_id(&self) -> Result<u32, ProgramError>;
}

/// The kernel's id of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramId(u32);

impl ProgramId {
    /// The program with this id.
    ///
    /// # Safety
    /// None is needed: the kernel refuses an id that no program has.
    pub const unsafe fn new(id: u32) -> Self {
        ProgramId(id)
    }
}

/// Where in a row of programs (TCX). At the end by default.
#[derive(Clone, Debug, Default)]
pub struct LinkOrder(pub(crate) hachi::links::LinkOrder);

impl LinkOrder {
    /// Before all others.
    pub const fn first() -> Self {
        LinkOrder(hachi::links::LinkOrder::first())
    }

    /// After all others.
    pub const fn last() -> Self {
        LinkOrder(hachi::links::LinkOrder::last())
    }

    /// Right before what this link attaches.
    ///
    /// # Errors
    /// [`LinkError::InvalidLink`] when it is no `bpf_link`.
    pub fn before_link<L: MultiProgLink>(link: &L) -> Result<Self, LinkError> {
        let id = link.link_id()?;
        Ok(LinkOrder(hachi::links::LinkOrder::before_link_id(id)))
    }

    /// Right after what this link attaches.
    ///
    /// # Errors
    /// [`LinkError::InvalidLink`] when it is no `bpf_link`.
    pub fn after_link<L: MultiProgLink>(link: &L) -> Result<Self, LinkError> {
        let id = link.link_id()?;
        Ok(LinkOrder(hachi::links::LinkOrder::after_link_id(id)))
    }

    /// Right before this loaded program.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`].
    pub fn before_program<P: MultiProgram>(program: &P) -> Result<Self, ProgramError> {
        Ok(Self::before_program_id(ProgramId(program.program_id()?)))
    }

    /// Right after this loaded program.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`].
    pub fn after_program<P: MultiProgram>(program: &P) -> Result<Self, ProgramError> {
        Ok(Self::after_program_id(ProgramId(program.program_id()?)))
    }

    /// Right before the program with this id.
    pub fn before_program_id(id: ProgramId) -> Self {
        LinkOrder(hachi::links::LinkOrder::before_program_id(id.0))
    }

    /// Right after the program with this id.
    pub fn after_program_id(id: ProgramId) -> Self {
        LinkOrder(hachi::links::LinkOrder::after_program_id(id.0))
    }
}

/// Reads what an iterator writes.
pub(crate) fn read_iter(link: &hachi::links::OwnedLink) -> Result<fs::File, LinkError> {
    match link {
        hachi::links::OwnedLink::Fd(link) => Ok(link.read_iter()?),
        _ => Err(LinkError::InvalidLink),
    }
}
