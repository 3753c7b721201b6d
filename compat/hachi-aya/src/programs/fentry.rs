//! A function of the kernel.

use super::*;

program! {
    /// A program for a function of the kernel.
    FEntry, ProgramType::Tracing
}
attachments!(FEntry, FEntryLink, FEntryLinkId, "FEntry");
links::conversions!(fd, FEntryLink);
traced!(FEntry, "function of the kernel");
of_itself!(FEntry, FEntryLinkId);
from_pin!(FEntry);
