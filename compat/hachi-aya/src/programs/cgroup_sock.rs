//! which sockets are made and released.

use super::*;

program! {
    /// A program of cgroups: which sockets are made and released.
    CgroupSock, ProgramType::CgroupSock
}
attachments!(CgroupSock, CgroupSockLink, CgroupSockLinkId, "CgroupSock");
links::conversions!(cgroup, CgroupSockLink);
load!(CgroupSock);
from_pin!(CgroupSock, CgroupSockAttachType);
pub use hachi::programs::CgroupSockAttachType;

of_cgroup!(CgroupSock, CgroupSockLinkId);
