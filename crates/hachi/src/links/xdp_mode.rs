//! How an XDP program is attached: flags, and the place in the stack.

use std::fmt;

use bitflags::bitflags;

use crate::sys::generated::system;

bitflags! {
    /// How to attach an XDP program. The default takes driver mode where the driver has it and skb
    /// mode otherwise.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct XdpFlags: u32 {
        /// Refuse if another program is attached. Always so, unless [`REPLACE`](Self::REPLACE) is
        /// given.
        const UPDATE_IF_NOEXIST = system::XDP_FLAGS_UPDATE_IF_NOEXIST;
        /// In the generic receive path: slower, works with every driver.
        const SKB_MODE = system::XDP_FLAGS_SKB_MODE;
        /// In the driver ("native"); an error if the driver cannot.
        const DRV_MODE = system::XDP_FLAGS_DRV_MODE;
        /// On the network card; an error if it cannot.
        const HW_MODE = system::XDP_FLAGS_HW_MODE;
        /// Take the place of a program that was attached by netlink (`ip link set … xdp`). The
        /// attachment is then made by netlink too, since that is what the kernel allows.
        const REPLACE = system::XDP_FLAGS_REPLACE;
    }
}

impl XdpFlags {
    /// The bits that choose a mode.
    pub(crate) const MODES: XdpFlags = XdpFlags::SKB_MODE
        .union(XdpFlags::DRV_MODE)
        .union(XdpFlags::HW_MODE);
}

/// Where in the stack an XDP program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum XdpMode {
    /// In the network driver, before the kernel has allocated anything ("native").
    Driver,
    /// In the generic receive path, with any driver.
    Skb,
    /// On the network card.
    Hardware,
}

impl XdpMode {
    pub(super) fn flags(self) -> XdpFlags {
        match self {
            XdpMode::Driver => XdpFlags::DRV_MODE,
            XdpMode::Skb => XdpFlags::SKB_MODE,
            XdpMode::Hardware => XdpFlags::HW_MODE,
        }
    }
}

impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            XdpMode::Driver => "driver",
            XdpMode::Skb => "skb",
            XdpMode::Hardware => "hardware",
        })
    }
}
