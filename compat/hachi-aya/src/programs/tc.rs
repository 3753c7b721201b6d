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
links::conversions!(Tcx of_type, SchedClassifierLink);
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
    /// Something went wrong with the system.
    IoError(std::io::Error),
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
            TcError::IoError(error) => write!(f, "{error}"),
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

impl From<crate::sys::NetlinkError> for TcError {
    fn from(error: crate::sys::NetlinkError) -> Self {
        TcError::NetlinkError(error)
    }
}

impl From<std::ffi::NulError> for TcError {
    fn from(error: std::ffi::NulError) -> Self {
        TcError::NulError(error)
    }
}

impl From<std::io::Error> for TcError {
    fn from(error: std::io::Error) -> Self {
        TcError::IoError(error)
    }
}

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

impl From<hachi::programs::TcAttachType> for TcAttachType {
    fn from(kind: hachi::programs::TcAttachType) -> Self {
        match kind {
            hachi::programs::TcAttachType::Egress => Self::Egress,
            hachi::programs::TcAttachType::Custom(parent) => Self::Custom(parent),
            _ => Self::Ingress,
        }
    }
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
    /// [`ProgramError::TcError`] for TCX with another parent than ingress and egress; else as
    /// [`attach`](Self::attach).
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
            (TcAttachOptions::Netlink(options), _) => {
                let class = options.classid.map_or(0, u32::from);
                Hachi::Netlink(
                    hachi::programs::NlOptions::new(options.priority, options.handle.0)
                        .in_class(class),
                )
            }
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

/// [`LinkError::InvalidLink`](links::LinkError::InvalidLink) for one made by netlink.
impl<'a> TryFrom<&'a SchedClassifierLink> for &'a links::FdLink {
    type Error = links::LinkError;

    fn try_from(link: &'a SchedClassifierLink) -> Result<Self, links::LinkError> {
        match &link.link {
            hachi::links::OwnedLink::Fd(link) => {
                // SAFETY: `repr(transparent)`: a reference to the one is one to the other.
                Ok(unsafe { &*(link as *const hachi::links::FdLink).cast() })
            }
            _ => Err(links::LinkError::InvalidLink),
        }
    }
}

impl SchedClassifierLink {
    fn filter(&self) -> Result<hachi::links::TcFilterPlace, ProgramError> {
        self.link
            .tc_filter()
            .ok_or(ProgramError::TcError(TcError::InvalidLinkOperation))
    }

    /// Takes over a filter that somebody made by netlink: it is removed when the link is dropped.
    /// The class is the filter's own, whatever `classid` says.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is no such filter, and what the kernel refuses.
    pub fn attached(
        if_name: &str,
        attach_type: TcAttachType,
        priority: u16,
        handle: TcHandle,
        classid: Option<TcHandle>,
    ) -> Result<Self, io::Error> {
        let _ = classid;
        let filters =
            hachi::links::tc_filters(if_name, attach_type.into()).map_err(io::Error::other)?;
        let found = filters
            .into_iter()
            .find(|filter| (filter.priority, filter.handle) == (priority, handle.0));
        let Some(filter) = found else {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("no filter of priority {priority} and this handle on `{if_name}`"),
            ));
        };
        let link = filter.into_link().map_err(io::Error::other)?;
        Ok(SchedClassifierLink::from_owned(link))
    }

    /// Which packets, of one made by netlink.
    ///
    /// # Errors
    /// [`TcError::InvalidLinkOperation`] for another.
    pub fn attach_type(&self) -> Result<TcAttachType, ProgramError> {
        Ok(self.filter()?.attach_type.into())
    }

    /// The priority, of one made by netlink.
    ///
    /// # Errors
    /// [`TcError::InvalidLinkOperation`] for another.
    pub fn priority(&self) -> Result<u16, ProgramError> {
        Ok(self.filter()?.priority)
    }

    /// The handle, of one made by netlink.
    ///
    /// # Errors
    /// [`TcError::InvalidLinkOperation`] for another.
    pub fn handle(&self) -> Result<TcHandle, ProgramError> {
        Ok(TcHandle(self.filter()?.handle))
    }

    /// The class that packets are put into, of one made by netlink.
    ///
    /// # Errors
    /// [`TcError::InvalidLinkOperation`] for another.
    pub fn classid(&self) -> Result<Option<TcHandle>, ProgramError> {
        let class = self.filter()?.class;
        Ok((class != 0).then_some(TcHandle(class)))
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

/// Removes the filters called `name` from an interface, no matter who made them.
///
/// # Errors
/// [`TcError::IoError`] of kind [`io::ErrorKind::NotFound`] when there is none, and what the
/// kernel refuses.
pub fn qdisc_detach_program(
    if_name: &str,
    attach_type: TcAttachType,
    name: &str,
) -> Result<(), TcError> {
    // As the kernel has it, a name ends at the first NUL.
    std::ffi::CString::new(name)?;
    Ok(hachi::programs::qdisc_detach_program(
        if_name,
        attach_type.into(),
        name,
    )?)
}
