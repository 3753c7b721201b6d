//! Probes at the return of functions.

use super::EbpfContext;
use super::registers::{self, context_of_registers, pt_regs};
use crate::cty::c_void;
use crate::kernel::Argument;

context_of_registers! {
    /// The registers when a function has returned (4.1). Those that held its arguments hold
    /// something else by now.
    ///
    /// ```
    /// use hachi_ebpf::macros::kretprobe;
    /// use hachi_ebpf::programs::RetProbeContext;
    /// use hachi_ebpf::info;
    ///
    /// #[kretprobe(function = "vfs_fsync")]
    /// fn ends(ctx: RetProbeContext) {
    ///     let result: i32 = ctx.ret();
    ///     info!(&ctx, "result {}", result);
    /// }
    /// ```
    RetProbeContext
}

impl RetProbeContext {
    /// What the function returned.
    #[inline(always)]
    pub fn ret<T: Argument>(&self) -> T {
        T::from_argument(registers::result(self.regs))
    }
}
