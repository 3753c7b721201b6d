//! Programs that may run instead of kernel functions.

use super::EbpfContext;
use super::btf_args::{context_of_arguments, function_result};
use crate::cty::c_void;
use crate::kernel::{Argument, Direct, Source, SourceOfResult};

context_of_arguments! {
    /// The arguments of a kernel function that is about to run, and after them what the program
    /// before this one returned, or 0 (5.7).
    ///
    /// ```
    /// use hachi_ebpf::macros::fmod_ret;
    /// use hachi_ebpf::programs::FModRetContext;
    ///
    /// #[fmod_ret(function = "security_file_open")]
    /// fn nothing_opens(_ctx: FModRetContext) -> i32 {
    ///     -13 // EACCES
    /// }
    /// ```
    FModRetContext, Direct
}

function_result!(FModRetContext);

impl SourceOfResult for FModRetContext {
    #[inline(always)]
    fn result(&self, arguments: usize) -> u64 {
        self.register(arguments)
    }
}
