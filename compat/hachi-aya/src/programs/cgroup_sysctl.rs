//! how kernel parameters are read and written.

use super::*;

program! {
    /// A program of cgroups: how kernel parameters are read and written.
    CgroupSysctl, ProgramType::CgroupSysctl
}
attachments!(
    CgroupSysctl,
    CgroupSysctlLink,
    CgroupSysctlLinkId,
    "CgroupSysctl"
);
load!(CgroupSysctl);
from_pin!(CgroupSysctl);
of_cgroup!(CgroupSysctl, CgroupSysctlLinkId);
