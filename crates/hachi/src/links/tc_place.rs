//! Where filters of a qdisc are.

use std::fmt;

use hachi_obj::AttachType;

use crate::sys::generated::system::{
    TC_H_CLSACT, TC_H_MAJ_MASK, TC_H_MIN_EGRESS, TC_H_MIN_INGRESS,
};

const INGRESS: u32 = (TC_H_CLSACT & TC_H_MAJ_MASK) | TC_H_MIN_INGRESS;
const EGRESS: u32 = (TC_H_CLSACT & TC_H_MAJ_MASK) | TC_H_MIN_EGRESS;

/// Which packets of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TcAttachType {
    /// Received ones.
    #[default]
    Ingress,
    /// Sent ones.
    Egress,
    /// Those of this parent (`TC_H_MAKE(major, minor)`) of another qdisc than `clsact`; by netlink
    /// only.
    Custom(u32),
}

impl TcAttachType {
    /// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS or …_EGRESS)`.
    pub(crate) fn parent(self) -> u32 {
        match self {
            TcAttachType::Ingress => INGRESS,
            TcAttachType::Egress => EGRESS,
            TcAttachType::Custom(parent) => parent,
        }
    }

    pub(super) fn from_parent(parent: u32) -> Self {
        match parent {
            INGRESS => TcAttachType::Ingress,
            EGRESS => TcAttachType::Egress,
            other => TcAttachType::Custom(other),
        }
    }

    pub(crate) fn is_clsact(self) -> bool {
        !matches!(self, TcAttachType::Custom(_))
    }

    pub(crate) fn tcx(self) -> Option<AttachType> {
        match self {
            TcAttachType::Ingress => Some(AttachType::TcxIngress),
            TcAttachType::Egress => Some(AttachType::TcxEgress),
            TcAttachType::Custom(_) => None,
        }
    }
}

impl fmt::Display for TcAttachType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TcAttachType::Ingress => f.write_str("ingress"),
            TcAttachType::Egress => f.write_str("egress"),
            TcAttachType::Custom(parent) => {
                write!(f, "parent {:x}:{:x}", parent >> 16, parent & 0xffff)
            }
        }
    }
}

/// Where a filter of a qdisc is, as [`OwnedLink::tc_filter`](super::OwnedLink::tc_filter) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcFilterPlace {
    /// Which packets it sees.
    pub attach_type: TcAttachType,
    /// Filters with lower numbers run first.
    pub priority: u16,
    /// Distinguishes filters of one priority.
    pub handle: u32,
    /// The class that it puts packets into; 0 for none.
    pub class: u32,
}
