//! A function of the kernel.

use super::*;

program! {
    /// A program for a function of the kernel.
    FExit, ProgramType::Tracing
}
attachments!(FExit, FExitLink, FExitLinkId, "FExit");
traced!(FExit, "function of the kernel");
of_itself!(FExit, FExitLinkId);
from_pin!(FExit);
