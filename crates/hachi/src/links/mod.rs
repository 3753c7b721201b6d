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
mod owned;
pub(crate) mod perf_event;
mod pinned;
mod place;
mod problem;
mod query;
mod set;
pub(crate) mod sock_map;
pub(crate) mod socket;
pub(crate) mod tc;
mod tc_place;
pub(crate) mod tcx;
pub(crate) mod tracing;
#[cfg(feature = "uprobe")]
pub(crate) mod uprobe;
#[cfg(feature = "uprobe")]
pub(crate) mod usdt;
pub(crate) mod xdp;
pub(crate) mod xdp_mode;

pub(crate) use cgroup::CgroupAttachMode;
pub use error::{LinkError, XdpOccupant};
pub use fd::FdLink;
pub use info::{LinkInfo, LinkTarget, loaded_links};
pub(crate) use legacy::Legacy;
pub use legacy::LegacyLink;
pub use order::LinkOrder;
pub use owned::OwnedLink;
pub use pinned::{Kept, PinnedLink};
pub(crate) use place::interface_index;
pub use problem::{BpfLinkUse, LinkOperation, Needed, NoTarget};
pub use query::{AttachedProgram, Attachments};
pub use set::LinkId;
pub(crate) use set::Links;
pub use tc::{TcFilterInfo, tc_filters};
pub use tc_place::TcFilterPlace;
pub(crate) use xdp::{Request as XdpRequest, attach as attach_xdp};
pub use xdp::{XdpAttachment, xdp_attachments};

pub use xdp_mode::XdpMode;

pub use crate::{
    program_info::TargetProgramError,
    target::{BinaryProblem, Hint, NoSuchTarget, TargetKind, UsdtProblem},
};
