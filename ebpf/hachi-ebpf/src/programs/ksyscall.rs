//! Probes at the kernel's functions for system calls.

use super::EbpfContext;
use super::registers::{self, context_of_registers, pt_regs};
use crate::cty::{c_long, c_void};
use crate::kernel::{Argument, Probed, Source};

context_of_registers! {
    /// The registers where the kernel begins with a system call.
    ///
    /// The kernel's function for it has one argument, the registers of the process, of which
    /// [`arg`](Self::arg) reads (5.5; on riscv64, whose kernels call such functions with the
    /// arguments themselves before that, 6.6).
    SyscallProbeContext
}

impl SyscallProbeContext {
    /// The argument number `n` of the system call, counted from 0; there are at most six.
    ///
    /// # Errors
    /// `-EINVAL` for another number.
    #[inline(always)]
    pub fn arg<T: Argument>(&self, n: usize) -> Result<T, c_long> {
        let process = registers::argument(self.regs, 0).unwrap_or(0) as usize;
        registers::call_argument(process as *const pt_regs, n).map(T::from_argument)
    }
}

impl Source for SyscallProbeContext {
    type Mode = Probed;

    #[inline(always)]
    fn register(&self, number: usize) -> u64 {
        self.arg(number).unwrap_or(0)
    }
}
