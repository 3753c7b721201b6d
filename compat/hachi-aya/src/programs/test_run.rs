//! Running programs without an event.

use std::time::Duration;

use super::ProgramError;

/// A type of program that can be run without an event.
pub trait TestRun {
    /// What to run it on.
    type Opts<'a>;
    /// What comes of it.
    type Result;

    /// Runs the loaded program once.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`], and what the kernel refuses.
    fn test_run(&self, opts: Self::Opts<'_>) -> Result<Self::Result, ProgramError>;
}

/// More about how to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct TestRunAttrs {
    live_frames: Option<u32>,
}

impl TestRunAttrs {
    /// As usual.
    pub const fn new() -> Self {
        TestRunAttrs { live_frames: None }
    }

    /// Carries out an XDP program's verdicts on real frames, in batches of this size. Linux ≥ 5.18.
    pub const fn xdp_live_frames(self, batch_size: u32) -> Self {
        TestRunAttrs {
            live_frames: Some(batch_size),
        }
    }
}

/// What to run a program on.
#[derive(Debug)]
pub struct TestRunOptions<'a> {
    /// The packet.
    pub data_in: Option<&'a [u8]>,
    /// Room for the packet as the program leaves it.
    pub data_out: Option<&'a mut [u8]>,
    /// The context.
    pub ctx_in: Option<&'a [u8]>,
    /// Room for the context as the program leaves it.
    pub ctx_out: Option<&'a mut [u8]>,
    /// How often.
    pub repeat: u32,
    /// More about how.
    pub attrs: TestRunAttrs,
}

impl TestRunOptions<'_> {
    /// No data, once.
    pub const fn new() -> Self {
        TestRunOptions {
            data_in: None,
            data_out: None,
            ctx_in: None,
            ctx_out: None,
            repeat: 1,
            attrs: TestRunAttrs::new(),
        }
    }

    pub(crate) fn run(
        self,
        run: impl FnOnce(
            &hachi::programs::TestRunOptions<'_>,
        ) -> Result<hachi::programs::TestRun, hachi::programs::ProgramError>,
    ) -> Result<TestRunResult, ProgramError> {
        let mut options = hachi::programs::TestRunOptions::new();
        if let Some(data) = self.data_in {
            options = options.data(data);
        }
        if let Some(context) = self.ctx_in {
            options = options.context(context);
        }
        options = match self.attrs.live_frames {
            Some(batch) => options.live_frames(batch),
            None => options
                .data_out(self.data_out.as_ref().map_or(0, |room| room.len()))
                .context_out(self.ctx_out.as_ref().map_or(0, |room| room.len())),
        };
        let done = run(&options.repeat(self.repeat))?;
        fill(self.data_out, &done.data);
        fill(self.ctx_out, &done.context);
        let size = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
        Ok(TestRunResult {
            return_value: done.return_value,
            duration: done.duration,
            data_size_out: size(done.data_size),
            ctx_size_out: size(done.context.len()),
        })
    }
}

impl Default for TestRunOptions<'_> {
    fn default() -> Self {
        Self::new()
    }
}

fn fill(room: Option<&mut [u8]>, bytes: &[u8]) {
    if let Some(room) = room {
        let len = room.len().min(bytes.len());
        room[..len].copy_from_slice(&bytes[..len]);
    }
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct TestRunResult {
    /// What the program returned.
    pub return_value: u32,
    /// Mean time of one run.
    pub duration: Duration,
    /// Bytes of the packet as the program left it.
    pub data_size_out: u32,
    /// Bytes of the context as the program left it.
    pub ctx_size_out: u32,
}

/// What to run a program at a raw tracepoint on.
#[derive(Clone, Debug, Default)]
pub struct RawTracePointRunOptions {
    /// The arguments.
    pub args: [u64; 12],
    /// The CPU; any by default.
    pub cpu: Option<u32>,
}

impl RawTracePointRunOptions {
    /// Arguments of 0, on any CPU.
    pub const fn new() -> Self {
        RawTracePointRunOptions {
            args: [0; 12],
            cpu: None,
        }
    }
}

/// What a run of a program at a raw tracepoint gave.
#[derive(Clone, Debug)]
pub struct RawTracePointTestRunResult {
    /// What the program returned.
    pub return_value: u32,
}
