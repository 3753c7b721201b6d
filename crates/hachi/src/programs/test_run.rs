//! Running a program without an event.

use hachi_obj::flags::{BPF_F_TEST_RUN_ON_CPU, BPF_F_TEST_XDP_LIVE_FRAMES};
use std::{os::fd::BorrowedFd, time::Duration};

use crate::{
    Unsupported,
    sys::{attr, bpf, errno::SyscallError},
};

/// What to run a program on, and how. At first: on no data, once.
///
/// ```
/// use hachi::programs::TestRunOptions;
/// let packet = [0; 64];
/// let options = TestRunOptions::new().data(&packet).repeat(1000);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TestRunOptions<'a> {
    data: &'a [u8],
    context: &'a [u8],
    data_out: usize,
    context_out: usize,
    repeat: u32,
    flags: u32,
    cpu: u32,
    batch_size: u32,
}

impl<'a> TestRunOptions<'a> {
    /// No data, once.
    pub const fn new() -> Self {
        TestRunOptions {
            data: &[],
            context: &[],
            data_out: 0,
            context_out: 0,
            repeat: 0,
            flags: 0,
            cpu: 0,
            batch_size: 0,
        }
    }

    /// The packet (or other data) that the program sees.
    pub const fn data(mut self, data: &'a [u8]) -> Self {
        self.data = data;
        self
    }

    /// The context struct of the program's type, in the layout of the kernel's header; the kernel's
    /// default if this is not called. What a syscall program changes in it comes back from
    /// [`Syscall::call`](super::Syscall::call) only.
    pub const fn context(mut self, context: &'a [u8]) -> Self {
        self.context = context;
        self
    }

    /// Bytes of room for the packet as the program leaves it. Without room, it is not asked for.
    pub const fn data_out(mut self, bytes: usize) -> Self {
        self.data_out = bytes;
        self
    }

    /// Bytes of room for the context as the program leaves it. Without room, it is not asked for.
    pub const fn context_out(mut self, bytes: usize) -> Self {
        self.context_out = bytes;
        self
    }

    /// How often to run; 0 is once. The duration reported is the mean.
    pub const fn repeat(mut self, times: u32) -> Self {
        self.repeat = times;
        self
    }

    /// Runs on this CPU (`BPF_F_TEST_RUN_ON_CPU`). Only for programs at raw tracepoints, typed ones
    /// included; Linux ≥ 5.10.
    pub const fn on_cpu(mut self, cpu: u32) -> Self {
        self.flags |= BPF_F_TEST_RUN_ON_CPU;
        self.cpu = cpu;
        self
    }

    /// Carries out an XDP program's verdicts (`BPF_F_TEST_XDP_LIVE_FRAMES`) on real frames, which
    /// come from the interface that the context (a `struct xdp_md`) names: they are sent,
    /// redirected, or received there. At most `batch_size` frames are handed over at a time; 0
    /// leaves that to the kernel (64). No output comes back, so no room can be given for it. Linux
    /// ≥ 5.18.
    pub const fn live_frames(mut self, batch_size: u32) -> Self {
        self.flags |= BPF_F_TEST_XDP_LIVE_FRAMES;
        self.batch_size = batch_size;
        self
    }

    /// Adds `BPF_F_TEST_*` flags that have no method here, by their bits.
    pub const fn flags(mut self, bits: u32) -> Self {
        self.flags |= bits;
        self
    }

    pub(crate) fn run(&self, program: BorrowedFd<'_>) -> Result<TestRun, SyscallError> {
        let mut attr = attr::TestRun {
            repeat: self.repeat,
            flags: self.flags,
            cpu: self.cpu,
            batch_size: self.batch_size,
            ..Default::default()
        };
        let mut data = vec![0; self.data_out];
        let mut context = vec![0; self.context_out];
        // The kernel writes the context of a syscall program back to where it was read.
        let mut context_in = self.context.to_vec();
        let result = bpf::prog_test_run(
            program,
            &mut attr,
            self.data,
            &mut data,
            &mut context_in,
            &mut context,
        );
        match result {
            // The output was longer than the room for it; the rest of the answer is valid.
            Err(error) if error.errno() == libc::ENOSPC => {}
            Err(error) => return Err(self.explain(error)),
            Ok(()) => {}
        }
        data.truncate(attr.data_size_out as usize);
        context.truncate(attr.ctx_size_out as usize);
        Ok(TestRun {
            return_value: attr.retval,
            duration: Duration::from_nanos(attr.duration.into()),
            data,
            context,
            data_size: attr.data_size_out as usize,
        })
    }

    /// What an older kernel has against it.
    fn explain(&self, error: SyscallError) -> SyscallError {
        let live = self.flags & BPF_F_TEST_XDP_LIVE_FRAMES != 0;
        match Unsupported::if_older("a test run with live frames", (5, 18)) {
            Some(older) if live && error.errno() == libc::EINVAL => error.noted(older.to_string()),
            _ => error,
        }
    }
}

/// What a test run gave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestRun {
    /// What the program returned: for XDP its verdict.
    pub return_value: u32,
    /// Mean time of one run.
    pub duration: Duration,
    /// The packet as the program left it, as far as there was room.
    pub data: Vec<u8>,
    /// The context as the program left it, as far as there was room.
    pub context: Vec<u8>,
    /// The length of the packet as the program left it.
    pub data_size: usize,
}
