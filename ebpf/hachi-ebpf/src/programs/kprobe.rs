//! Probes at instructions of the kernel, and of programs.

use super::EbpfContext;
use super::registers::{self, pt_regs};
use crate::cty::c_void;
use crate::kernel::{Argument, Probed, Source};

/// The registers at a probe: those that hold a function's arguments, if it is at its entry (4.1).
#[derive(Debug)]
#[repr(transparent)]
pub struct ProbeContext {
    /// The registers, as they are on this architecture.
    pub regs: *mut pt_regs,
}

impl ProbeContext {
    /// Wraps the context that the kernel called the program with. The attribute does so.
    #[inline(always)]
    pub fn new(ctx: *mut c_void) -> Self {
        Self { regs: ctx.cast() }
    }

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

impl EbpfContext for ProbeContext {
    #[inline(always)]
    fn as_ptr(&self) -> *mut c_void {
        self.regs.cast()
    }
}
