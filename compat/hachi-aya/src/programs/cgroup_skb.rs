//! packets.

use super::*;

program! {
    /// A program of cgroups: packets.
    CgroupSkb, ProgramType::CgroupSkb
}
attachments!(CgroupSkb, CgroupSkbLink, CgroupSkbLinkId, "CgroupSkb");
links::conversions!(cgroup, CgroupSkbLink);
load!(CgroupSkb);
from_pin!(CgroupSkb, CgroupSkbAttachType);
pub use hachi::programs::CgroupSkbAttachType;

test_run!(CgroupSkb);

impl CgroupSkb {
    /// The direction that the section names; `None` for `cgroup/skb`.
    pub fn expected_attach_type(&self) -> &Option<CgroupSkbAttachType> {
        match self.0.direction() {
            Some(CgroupSkbAttachType::Ingress) => &Some(CgroupSkbAttachType::Ingress),
            Some(CgroupSkbAttachType::Egress) => &Some(CgroupSkbAttachType::Egress),
            _ => &None,
        }
    }

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
