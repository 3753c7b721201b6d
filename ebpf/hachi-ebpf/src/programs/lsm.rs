//! Hooks of the Linux security modules.

use super::EbpfContext;
use super::btf_args::context_of_arguments;
use crate::cty::c_void;
use crate::kernel::{Argument, Direct, Source};

context_of_arguments! {
    /// The arguments of a security hook (5.7). The program returns 0 to allow, or a negative error.
    ///
    /// ```
    /// use hachi_ebpf::macros::lsm;
    /// use hachi_ebpf::programs::LsmContext;
    ///
    /// #[lsm(hook = "file_open")]
    /// fn nothing_opens(_ctx: LsmContext) -> i32 {
    ///     -13 // EACCES
    /// }
    /// ```
    LsmContext, Direct
}
