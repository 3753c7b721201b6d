//! Running a program without an event.

use std::{os::fd::BorrowedFd, time::Duration};

use crate::{
    Unsupported,
    sys::{attr, bpf, errno::SyscallError},
};

/// What to run a program on. `Default` is: no data, once.
#[derive(Clone, Copy, Debug, Default)]
pub struct TestRunOptions<'a> {
    /// The packet (or other data) the program sees.
    pub data: &'a [u8],
    /// The context struct of the program's type, in the layout of the kernel's header; empty for
    /// the kernel's default. What a syscall program changes in it comes back from
    /// [`Syscall::call`](super::Syscall::call) only.
    pub context: &'a [u8],
    /// Bytes of room for the packet as the program leaves it; 0 does not ask for it.
    pub data_out: usize,
    /// Bytes of room for the context as the program leaves it; 0 does not ask for it.
    pub context_out: usize,
    /// How often to run; 0 is once. The duration reported is the mean.
    pub repeat: u32,
    /// `BPF_F_TEST_*` flags: [`TEST_RUN_ON_CPU`](Self::TEST_RUN_ON_CPU),
    /// [`TEST_XDP_LIVE_FRAMES`](Self::TEST_XDP_LIVE_FRAMES).
    pub flags: u32,
    /// The CPU to run on, with [`TEST_RUN_ON_CPU`](Self::TEST_RUN_ON_CPU); else 0.
    pub cpu: u32,
    /// How many frames are handed over at a time, with
    /// [`TEST_XDP_LIVE_FRAMES`](Self::TEST_XDP_LIVE_FRAMES); 0 leaves it to the kernel (64).
    pub batch_size: u32,
}

impl TestRunOptions<'_> {
    /// `BPF_F_TEST_RUN_ON_CPU`: on the CPU that `cpu` says. Programs at raw tracepoints (also typed
    /// ones) only; Linux ≥ 5.10.
    pub const TEST_RUN_ON_CPU: u32 = 1 << 0;
    /// `BPF_F_TEST_XDP_LIVE_FRAMES`: an XDP program's verdicts are carried out, on real frames,
    /// which come from the interface that the context (a `struct xdp_md`) names: sent, redirected,
    /// or received there. No output comes back, so there is no room to be given for it. Linux ≥
    /// 5.18.
    pub const TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;

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
        let live = self.flags & Self::TEST_XDP_LIVE_FRAMES != 0;
        match Unsupported::if_older("a test run with live frames", (5, 18)) {
            Some(older) if live && error.errno() == libc::EINVAL => error.noted(older.to_string()),
            _ => error,
        }
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
