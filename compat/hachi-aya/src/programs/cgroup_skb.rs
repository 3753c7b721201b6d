//! packets.

use super::*;

program! {
    /// A program of cgroups: packets.
    CgroupSkb, ProgramType::CgroupSkb
}
attachments!(CgroupSkb, CgroupSkbLink, CgroupSkbLinkId, "CgroupSkb");
load!(CgroupSkb);
from_pin!(CgroupSkb, CgroupSkbAttachType);
pub use hachi::programs::CgroupSkbAttachType;

test_run!(CgroupSkb);

impl CgroupSkb {
    /// Attaches the loaded program to a cgroup, for packets in this direction.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`], and what the kernel refuses.
    pub fn attach<T: AsFd>(
        &mut self,
        cgroup: T,
        attach_type: CgroupSkbAttachType,
        mode: CgroupAttachMode,
    ) -> Result<CgroupSkbLinkId, ProgramError> {
        Ok(CgroupSkbLinkId(self.0.attach(cgroup, attach_type, mode)?))
    }
}
