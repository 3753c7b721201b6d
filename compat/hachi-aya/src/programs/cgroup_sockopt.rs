//! how options of sockets are read and set.

use super::*;

program! {
    /// A program of cgroups: how options of sockets are read and set.
    CgroupSockopt, ProgramType::CgroupSockopt
}
attachments!(
    CgroupSockopt,
    CgroupSockoptLink,
    CgroupSockoptLinkId,
    "CgroupSockopt"
);
load!(CgroupSockopt);
from_pin!(CgroupSockopt, CgroupSockoptAttachType);
pub use hachi::programs::CgroupSockoptAttachType;

of_cgroup!(CgroupSockopt, CgroupSockoptLinkId);
