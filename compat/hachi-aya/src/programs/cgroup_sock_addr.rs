//! addresses that sockets bind, connect and send to.

use super::*;

program! {
    /// A program of cgroups: addresses that sockets bind, connect and send to.
    CgroupSockAddr, ProgramType::CgroupSockAddr
}
attachments!(
    CgroupSockAddr,
    CgroupSockAddrLink,
    CgroupSockAddrLinkId,
    "CgroupSockAddr"
);
links::conversions!(cgroup, CgroupSockAddrLink);
load!(CgroupSockAddr);
from_pin!(CgroupSockAddr, CgroupSockAddrAttachType);
pub use hachi::programs::CgroupSockAddrAttachType;

of_cgroup!(CgroupSockAddr, CgroupSockAddrLinkId);
