//! Packets that interfaces receive and send.

use super::*;

program! {
    /// A program for packets that an interface receives or sends.
    SchedClassifier, ProgramType::SchedClassifier
}
attachments!(
    SchedClassifier,
    SchedClassifierLink,
    SchedClassifierLinkId,
    "SchedClassifier"
);
load!(SchedClassifier);
from_pin!(SchedClassifier);
test_run!(SchedClassifier);

/// An error of classifiers.
#[derive(Debug)]
pub enum TcError {
    /// A request by netlink failed.
    NetlinkError(crate::sys::NetlinkError),
    /// The name cannot be passed to the kernel.
    NulError(std::ffi::NulError),
    /// The qdisc is there already.
    AlreadyAttached,
    /// TCX is for ingress and egress only.
    InvalidTcxAttach(u32),
    /// The attachment was not made by netlink.
    InvalidLinkOperation,
}

impl std::fmt::Display for TcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TcError::NetlinkError(error) => write!(f, "{error}"),
            TcError::NulError(error) => write!(f, "{error}"),
            TcError::AlreadyAttached => f.write_str("the interface has a clsact qdisc already"),
            TcError::InvalidTcxAttach(parent) => {
                write!(
                    f,
                    "TCX is for ingress and egress only, not for parent {parent:#x}"
                )
            }
            TcError::InvalidLinkOperation => f.write_str("the attachment was not made by netlink"),
        }
    }
}

impl std::error::Error for TcError {}

/// Which packets of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcAttachType {
    /// Received ones.
    Ingress,
    /// Sent ones.
    Egress,
    /// Those of this parent of a qdisc.
    Custom(u32),
}

impl From<TcAttachType> for hachi::programs::TcAttachType {
    fn from(kind: TcAttachType) -> Self {
        match kind {
            TcAttachType::Ingress => Self::Ingress,
            TcAttachType::Egress => Self::Egress,
            TcAttachType::Custom(parent) => Self::Custom(parent),
        }
    }
}

/// A handle of traffic control: `MAJOR:MINOR`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcHandle(u32);

impl TcHandle {
    /// Leaves the choice to the kernel.
    pub const AUTO_ASSIGN: Self = TcHandle(0);

    /// From its two halves.
    pub const fn new(major: u16, minor: u16) -> Self {
        TcHandle((major as u32) << 16 | minor as u32)
    }
}

impl From<u32> for TcHandle {
    fn from(handle: u32) -> Self {
        TcHandle(handle)
    }
}

impl From<TcHandle> for u32 {
    fn from(handle: TcHandle) -> Self {
        handle.0
    }
}

/// Where among the filters of a qdisc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NlOptions {
    /// Lower ones run first; 0 leaves the choice to the kernel.
    pub priority: u16,
    /// Distinguishes filters of one priority.
    pub handle: TcHandle,
    /// The class that packets are put into.
    pub classid: Option<TcHandle>,
}

/// How to attach.
#[derive(Debug)]
pub enum TcAttachOptions {
    /// As a filter of a qdisc.
    Netlink(NlOptions),
    /// In the interface's row of programs. Linux ≥ 6.6.
    TcxOrder(LinkOrder),
}

impl SchedClassifier {
    /// Attaches the loaded program to an interface: by TCX, or on Linux < 6.6 by netlink.
    ///
    /// # Errors
    /// [`ProgramError::UnknownInterface`], and what the kernel refuses.
    pub fn attach(
        &mut self,
        interface: &str,
        attach_type: TcAttachType,
    ) -> Result<SchedClassifierLinkId, ProgramError> {
        Ok(SchedClassifierLinkId(
            self.0.attach(interface, attach_type.into())?,
        ))
    }

    /// As [`attach`](Self::attach), in this way and at this place.
    ///
    /// # Errors
    /// [`ProgramError::TcError`] for TCX with another parent than ingress and egress, and for a
    /// `classid`, which Hachi does not set; else as [`attach`](Self::attach).
    pub fn attach_with_options(
        &mut self,
        interface: &str,
        attach_type: TcAttachType,
        options: TcAttachOptions,
    ) -> Result<SchedClassifierLinkId, ProgramError> {
        use hachi::programs::TcAttachOptions as Hachi;
        let options = match (options, attach_type) {
            (TcAttachOptions::TcxOrder(_), TcAttachType::Custom(parent)) => {
                return Err(TcError::InvalidTcxAttach(parent).into());
            }
            (TcAttachOptions::TcxOrder(order), _) => Hachi::TcxOrder(order.0),
            (
                TcAttachOptions::Netlink(NlOptions {
                    classid: Some(_), ..
                }),
                _,
            ) => {
                return Err(TcError::InvalidLinkOperation.into());
            }
            (TcAttachOptions::Netlink(options), _) => Hachi::Netlink(
                hachi::programs::NlOptions::new(options.priority, options.handle.0),
            ),
        };
        let link = self
            .0
            .attach_with_options(interface, attach_type.into(), options)?;
        Ok(SchedClassifierLinkId(link))
    }

    /// Makes an existing attachment run this program.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn attach_to_link(
        &mut self,
        link: SchedClassifierLink,
    ) -> Result<SchedClassifierLinkId, ProgramError> {
        Ok(SchedClassifierLinkId(self.0.attach_to_link(link.link)?))
    }

    /// The row's revision and the programs in it. Linux ≥ 6.6.
    ///
    /// # Errors
    /// [`ProgramError::UnknownInterface`], and what the kernel refuses.
    pub fn query_tcx(
        interface: &str,
        attach_type: TcAttachType,
    ) -> Result<(u64, Vec<ProgramInfo>), ProgramError> {
        let (revision, programs) =
            hachi::programs::SchedClassifier::query_tcx(interface, attach_type.into())?;
        Ok((
            revision,
            programs.into_iter().map(ProgramInfo::new).collect(),
        ))
    }
}

impl MultiProgram for SchedClassifier {
    fn fd(&self) -> Result<BorrowedFd<'_>, ProgramError> {
        Ok(self.0.fd()?.as_fd())
    }

    fn program_id(&self) -> Result<u32, ProgramError> {
        Ok(self.0.info()?.id())
    }
}

impl MultiProgLink for SchedClassifierLink {
    fn fd(&self) -> Result<BorrowedFd<'_>, links::LinkError> {
        match &self.link {
            hachi::links::OwnedLink::Fd(link) => Ok(link.as_fd()),
            _ => Err(links::LinkError::InvalidLink),
        }
    }

    fn link_id(&self) -> Result<u32, links::LinkError> {
        match &self.link {
            hachi::links::OwnedLink::Fd(link) => {
                Ok(link.info().map_err(crate::sys::SyscallError::from)?.id())
            }
            _ => Err(links::LinkError::InvalidLink),
        }
    }
}

impl SchedClassifierLink {
    fn filter(&self) -> Result<(u16, u32), ProgramError> {
        self.link
            .tc_filter()
            .ok_or(ProgramError::TcError(TcError::InvalidLinkOperation))
    }

    /// The priority, of one made by netlink.
    ///
    /// # Errors
    /// [`TcError::InvalidLinkOperation`] for another.
    pub fn priority(&self) -> Result<u16, ProgramError> {
        Ok(self.filter()?.0)
    }

    /// The handle, of one made by netlink.
    ///
    /// # Errors
    /// [`TcError::InvalidLinkOperation`] for another.
    pub fn handle(&self) -> Result<TcHandle, ProgramError> {
        Ok(TcHandle(self.filter()?.1))
    }
}

/// Gives an interface a `clsact` qdisc.
///
/// # Errors
/// [`TcError::AlreadyAttached`] when it has one, and what the kernel refuses.
pub fn qdisc_add_clsact(if_name: &str) -> Result<(), TcError> {
    hachi::programs::qdisc_add_clsact(if_name).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => TcError::AlreadyAttached,
        _ => TcError::NetlinkError(crate::sys::NetlinkError(error)),
    })
}
