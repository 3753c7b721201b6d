use crate::{bindings::pt_regs, cty::c_void};

super::context! {
    /// The return of a function of the kernel or a process.
    RetProbeContext {
        /// The registers.
        pub regs: pt_regs
    } from c_void
}
