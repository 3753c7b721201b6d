//! Programs that run at the entry of a function and again at its return.

use super::EbpfContext;
use super::btf_args::{context_of_arguments, function_result};
use super::registers::{self, context_of_registers, pt_regs};
use crate::cty::c_void;
use crate::kernel::{Argument, Direct, Probed, Source, SourceOfResult, first_kfunc};

// Since 7.0 the functions want the context. What follows three underscores is not looked for. A
// kernel with neither form has no sessions, and should be heard to say so, rather than that a
// function is missing.

#[inline(always)]
fn is_return(ctx: *mut c_void) -> bool {
    // SAFETY: the context is the kernel's.
    let found = first_kfunc!(
        "bpf_session_is_return:fn(ctx:*mut c_void,)->bool" (ctx: *mut c_void),
        "bpf_session_is_return___before_7_0:fn()->bool" (),
        => bool);
    found.unwrap_or(false)
}

#[inline(always)]
fn cookie(ctx: *mut c_void) -> *mut u64 {
    // SAFETY: the context is the kernel's.
    let found = first_kfunc!(
        "bpf_session_cookie:fn(ctx:*mut c_void,)->*mut u64" (ctx: *mut c_void),
        "bpf_session_cookie___before_7_0:fn()->*mut u64" (),
        => *mut u64);
    found.unwrap_or(core::ptr::null_mut())
}

/// What contexts of sessions have in common.
macro_rules! session {
    ($name:ident) => {
        impl $name {
            /// Whether the function returns; else it is entered.
            #[inline(always)]
            pub fn is_return(&self) -> bool {
                is_return(self.as_ptr())
            }

            /// What [`set_cookie`](Self::set_cookie) kept for this run of the function.
            #[inline(always)]
            pub fn cookie(&self) -> u64 {
                let place = cookie(self.as_ptr());
                // Null only where there are no sessions.
                if place.is_null() {
                    return 0;
                }
                // SAFETY: the kernel gives the place of eight bytes, which the verifier knows.
                unsafe { place.read_volatile() }
            }

            /// Keeps eight bytes until the function returns.
            #[inline(always)]
            pub fn set_cookie(&self, value: u64) {
                let place = cookie(self.as_ptr());
                if !place.is_null() {
                    // SAFETY: as for reading.
                    unsafe { place.write_volatile(value) }
                }
            }
        }
    };
}

context_of_registers! {
    /// The registers where a function is entered, or where it has returned: `kprobe_session` (6.10)
    /// and `uprobe_session` (6.13).
    ProbeSessionContext
}

session!(ProbeSessionContext);

impl ProbeSessionContext {
    /// The argument number `n`, counted from 0; `None` for those that are not in a register. For
    /// the entry.
    #[inline(always)]
    pub fn arg<T: Argument>(&self, n: usize) -> Option<T> {
        registers::argument(self.regs, n).map(T::from_argument)
    }

    /// What the function returned. For the return.
    #[inline(always)]
    pub fn ret<T: Argument>(&self) -> T {
        T::from_argument(registers::result(self.regs))
    }
}

impl Source for ProbeSessionContext {
    type Mode = Probed;

    #[inline(always)]
    fn register(&self, number: usize) -> u64 {
        registers::argument(self.regs, number).unwrap_or(0)
    }
}

context_of_arguments! {
    /// The arguments of a kernel function that is about to run or has run, and after them what it
    /// returned: 0 at the entry (7.0).
    FSessionContext, Direct
}

session!(FSessionContext);
function_result!(FSessionContext);

impl SourceOfResult for FSessionContext {
    #[inline(always)]
    fn result(&self, arguments: usize) -> u64 {
        self.register(arguments)
    }
}
