//! Tracepoints, with their arguments.

use super::*;

program! {
    /// A program for a tracepoint, which gets its arguments.
    RawTracePoint, ProgramType::RawTracePoint
}
attachments!(
    RawTracePoint,
    RawTracePointLink,
    RawTracePointLinkId,
    "RawTracePoint"
);
links::conversions!(fd, RawTracePointLink);
load!(RawTracePoint);
from_pin!(RawTracePoint);

impl RawTracePoint {
    /// Attaches the loaded program to a tracepoint.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` when there is none.
    pub fn attach(&mut self, tp_name: &str) -> Result<RawTracePointLinkId, ProgramError> {
        Ok(RawTracePointLinkId(self.0.attach(tp_name)?))
    }
}

impl TestRun for RawTracePoint {
    type Opts<'a> = RawTracePointRunOptions;
    type Result = RawTracePointTestRunResult;

    fn test_run(
        &self,
        opts: RawTracePointRunOptions,
    ) -> Result<RawTracePointTestRunResult, ProgramError> {
        let mut arguments = [0; 96];
        for (bytes, argument) in arguments.chunks_exact_mut(8).zip(opts.args) {
            bytes.copy_from_slice(&argument.to_ne_bytes());
        }
        let mut options = hachi::programs::TestRunOptions::new().context(&arguments);
        if let Some(cpu) = opts.cpu {
            options = options.on_cpu(cpu);
        }
        Ok(RawTracePointTestRunResult {
            return_value: self.0.test_run(&options)?.return_value,
        })
    }
}
