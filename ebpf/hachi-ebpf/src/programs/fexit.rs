//! Exits of kernel functions.

use super::EbpfContext;
use super::btf_args::{context_of_arguments, function_result};
use crate::cty::c_void;
use crate::kernel::{Argument, Direct, Source, SourceOfResult};

context_of_arguments! {
    /// The arguments of a kernel function that has run, and after them what it returned (5.5).
    ///
    /// ```
    /// use hachi_ebpf::macros::fexit;
    /// use hachi_ebpf::programs::FExitContext;
    /// use hachi_ebpf::{info, kernel_types};
    ///
    /// kernel_types! {
    ///     struct file {}
    ///     fn vfs_fsync(file: *mut file, datasync: i32) -> i32;
    /// }
    ///
    /// #[fexit(function = "vfs_fsync")]
    /// fn ends(ctx: FExitContext) {
    ///     let call = vfs_fsync::of(&ctx);
    ///     info!(&ctx, "data alone: {}, result {}", call.datasync(), call.result());
    /// }
    /// ```
    FExitContext, Direct
}

function_result!(FExitContext);

impl SourceOfResult for FExitContext {
    #[inline(always)]
    fn result(&self, arguments: usize) -> u64 {
        self.register(arguments)
    }
}
