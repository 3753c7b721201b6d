//! Hooks of the kernel's security modules, by cgroup.

use super::*;

program! {
    /// A program for a hook of the security modules, for a cgroup. Linux ≥ 6.0.
    LsmCgroup, ProgramType::Lsm(LsmAttachType::Cgroup)
}
attachments!(LsmCgroup, LsmLink, LsmLinkId, "LsmCgroup");
links::conversions!(fd, LsmLink);
traced!(LsmCgroup, "hook of the kernel's security modules");
of_fd!(LsmCgroup, LsmLinkId, "a cgroup");
from_pin!(LsmCgroup);
