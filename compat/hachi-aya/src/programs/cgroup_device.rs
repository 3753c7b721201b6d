//! which devices may be used.

use super::*;

program! {
    /// A program of cgroups: which devices may be used.
    CgroupDevice, ProgramType::CgroupDevice
}
attachments!(
    CgroupDevice,
    CgroupDeviceLink,
    CgroupDeviceLinkId,
    "CgroupDevice"
);
load!(CgroupDevice);
from_pin!(CgroupDevice);
of_cgroup!(CgroupDevice, CgroupDeviceLinkId);
