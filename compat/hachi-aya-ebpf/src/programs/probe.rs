use crate::{bindings::pt_regs, cty::c_void};

super::context! {
    /// The call of a function of the kernel or a process.
    ProbeContext {
        /// The registers.
        pub regs: pt_regs
    } from c_void
}
