//! Probes at instructions of the kernel, and of programs.

use super::EbpfContext;
use super::registers::{self, context_of_registers, pt_regs};
use crate::cty::c_void;
use crate::kernel::{Argument, Probed, Source};

context_of_registers! {
    /// The registers at a probe: those that hold a function's arguments, if it is at its entry
    /// (4.1).
    ///
    /// ```
    /// use hachi_ebpf::macros::kprobe;
    /// use hachi_ebpf::programs::ProbeContext;
    /// use hachi_ebpf::info;
    ///
    /// #[kprobe(function = "vfs_fsync")]
    /// fn begins(ctx: ProbeContext) {
    ///     let data_alone: i32 = ctx.arg(1).unwrap_or(0);
    ///     info!(&ctx, "data alone: {}", data_alone);
    /// }
    /// ```
    ProbeContext
}

impl ProbeContext {
    /// The argument number `n`, counted from 0; `None` for those that are not in a register.
    #[inline(always)]
    pub fn arg<T: Argument>(&self, n: usize) -> Option<T> {
        registers::argument(self.regs, n).map(T::from_argument)
    }
}

impl Source for ProbeContext {
    type Mode = Probed;

    #[inline(always)]
    fn register(&self, number: usize) -> u64 {
        registers::argument(self.regs, number).unwrap_or(0)
    }
}
