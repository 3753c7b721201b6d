//! A hook of the kernel's security modules.

use super::*;

program! {
    /// A program for a hook of the kernel's security modules.
    Lsm, ProgramType::Lsm(LsmAttachType::Mac)
}
attachments!(Lsm, LsmLink, LsmLinkId, "Lsm");
links::conversions!(fd, LsmLink);
traced!(Lsm, "hook of the kernel's security modules");
of_itself!(Lsm, LsmLinkId);
from_pin!(Lsm);
