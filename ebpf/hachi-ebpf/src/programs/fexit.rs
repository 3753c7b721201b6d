//! Exits of kernel functions.

use super::EbpfContext;
use super::btf_args::{context_of_arguments, function_result};
use crate::cty::c_void;
use crate::kernel::{Argument, Direct, Source, SourceOfResult};

context_of_arguments! {
    /// The arguments of a kernel function that has run, and after them what it returned (5.5).
    FExitContext, Direct
}

function_result!(FExitContext);

impl SourceOfResult for FExitContext {
    #[inline(always)]
    fn result(&self, arguments: usize) -> u64 {
        self.register(arguments)
    }
}
