//! Running a program without an event.

use std::{os::fd::BorrowedFd, time::Duration};

use crate::sys::{attr, bpf, errno::SyscallError};

/// What to run a program on. `Default` is: no data, once.
#[derive(Clone, Copy, Debug, Default)]
pub struct TestRunOptions<'a> {
    /// The packet (or other data) the program sees.
    pub data: &'a [u8],
    /// The context struct of the program's type, in the layout of the kernel's header; empty for
    /// the kernel's default.
    pub context: &'a [u8],
    /// Bytes of room for the packet as the program leaves it; 0 does not ask for it.
    pub data_out: usize,
    /// Bytes of room for the context as the program leaves it; 0 does not ask for it.
    pub context_out: usize,
    /// How often to run; 0 is once. The duration reported is the mean.
    pub repeat: u32,
    /// `BPF_F_TEST_*` flags, such as [`TEST_XDP_LIVE_FRAMES`](Self::TEST_XDP_LIVE_FRAMES).
    pub flags: u32,
}

impl TestRunOptions<'_> {
    /// `BPF_F_TEST_XDP_LIVE_FRAMES`: an XDP program's verdicts are carried out, on real frames.
    /// Linux ≥ 5.18.
    pub const TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;

    pub(crate) fn run(&self, program: BorrowedFd<'_>) -> Result<TestRun, SyscallError> {
        let mut attr = attr::TestRun {
            repeat: self.repeat,
            flags: self.flags,
            ..Default::default()
        };
        let mut data = vec![0; self.data_out];
        let mut context = vec![0; self.context_out];
        let (data_in, context_in) = (self.data, self.context);
        let result = bpf::prog_test_run(
            program,
            &mut attr,
            data_in,
            &mut data,
            context_in,
            &mut context,
        );
        match result {
            // The output was longer than the room for it; the rest of the answer is valid.
            Err(error) if error.errno() == libc::ENOSPC => {}
            result => result?,
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
}

/// What a test run gave.
#[derive(Clone, Debug, PartialEq, Eq)]
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
