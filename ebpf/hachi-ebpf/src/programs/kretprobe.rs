//! Probes at the return of functions.

use super::EbpfContext;
use super::registers::{self, pt_regs};
use crate::cty::c_void;
use crate::kernel::Argument;

/// The registers when a function has returned (4.1). Those that held its arguments hold something
/// else by now.
#[derive(Debug)]
#[repr(transparent)]
pub struct RetProbeContext {
    /// The registers, as they are on this architecture.
    pub regs: *mut pt_regs,
}

impl RetProbeContext {
    /// Wraps the context that the kernel called the program with. The attribute does so.
    #[inline(always)]
    pub fn new(ctx: *mut c_void) -> Self {
        Self { regs: ctx.cast() }
    }

    /// What the function returned.
    #[inline(always)]
    pub fn ret<T: Argument>(&self) -> T {
        T::from_argument(registers::result(self.regs))
    }
}

impl EbpfContext for RetProbeContext {
    #[inline(always)]
    fn as_ptr(&self) -> *mut c_void {
        self.regs.cast()
    }
}
