//! A function of the kernel.

use super::*;

program! {
    /// A program for a function of the kernel.
    FExit, ProgramType::Tracing
}
attachments!(FExit, FExitLink, FExitLinkId, "FExit");
links::conversions!(fd, FExitLink);
traced!(FExit, "function of the kernel");
of_itself!(FExit, FExitLinkId);
from_pin!(FExit);

/// The kernel runs a program with arguments of its own and tells no more than that it did.
impl TestRun for FExit {
    type Opts<'a> = ();
    type Result = ();

    fn test_run(&self, (): Self::Opts<'_>) -> Result<Self::Result, ProgramError> {
        self.0
            .test_run(&hachi::programs::TestRunOptions::default())?;
        Ok(())
    }
}
