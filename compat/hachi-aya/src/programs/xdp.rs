//! Packets, as interfaces receive them.

use super::*;

program! {
    /// A program for packets as an interface receives them.
    Xdp, ProgramType::Xdp
}
attachments!(Xdp, XdpLink, XdpLinkId, "Xdp");
links::conversions!(Xdp of_type, XdpLink);
load!(Xdp);
test_run!(Xdp);

/// An error of XDP.
#[derive(Debug)]
pub enum XdpError {
    /// A request by netlink failed.
    NetlinkError(crate::sys::NetlinkError),
}

impl std::fmt::Display for XdpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let XdpError::NetlinkError(error) = self;
        write!(f, "{error}")
    }
}

impl std::error::Error for XdpError {}

impl From<crate::sys::NetlinkError> for XdpError {
    fn from(error: crate::sys::NetlinkError) -> Self {
        XdpError::NetlinkError(error)
    }
}

/// What an XDP program is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpAttachType {
    /// An interface.
    Interface,
    /// An entry of a map of CPUs.
    CpuMap,
    /// An entry of a map of interfaces.
    DevMap,
}

impl XdpAttachType {
    pub(super) fn section(self) -> &'static str {
        match self {
            XdpAttachType::Interface => "xdp",
            XdpAttachType::CpuMap => "xdp/cpumap",
            XdpAttachType::DevMap => "xdp/devmap",
        }
    }
}

/// Where in the stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver where it can, else in the generic receive path.
    #[default]
    Default,
    /// In the generic receive path.
    Skb,
    /// In the driver.
    Driver,
    /// On the network card.
    Hardware,
}

impl From<XdpMode> for XdpFlags {
    fn from(mode: XdpMode) -> Self {
        match mode {
            XdpMode::Default => XdpFlags::empty(),
            XdpMode::Skb => XdpFlags::SKB_MODE,
            XdpMode::Driver => XdpFlags::DRV_MODE,
            XdpMode::Hardware => XdpFlags::HW_MODE,
        }
    }
}

impl Xdp {
    /// Opens the program pinned at `path`. It is loaded already.
    ///
    /// # Errors
    /// When nothing is pinned there, or a program of another type.
    pub fn from_pin<P: AsRef<Path>>(
        path: P,
        _attach_type: XdpAttachType,
    ) -> Result<Self, ProgramError> {
        let program = hachi::programs::Xdp::from_pin(&path)?;
        Ok(Xdp(program, Pins::at(path.as_ref())))
    }

    /// Attaches the loaded program to an interface: [`XdpMode`], or [`XdpFlags`] as until 0.13.
    ///
    /// # Errors
    /// [`ProgramError::UnknownInterface`], and what the kernel refuses.
    pub fn attach(
        &mut self,
        interface: &str,
        mode: impl Into<XdpFlags>,
    ) -> Result<XdpLinkId, ProgramError> {
        Ok(XdpLinkId(self.0.attach(interface, mode.into())?))
    }

    /// As [`attach`](Self::attach), by the interface's index.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub fn attach_to_if_index(
        &mut self,
        if_index: u32,
        mode: impl Into<XdpFlags>,
    ) -> Result<XdpLinkId, ProgramError> {
        Ok(XdpLinkId(self.0.attach_to_if_index(if_index, mode.into())?))
    }

    /// Makes an existing attachment run this program.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn attach_to_link(&mut self, link: XdpLink) -> Result<XdpLinkId, ProgramError> {
        Ok(XdpLinkId(self.0.attach_to_link(link.link)?))
    }
}
