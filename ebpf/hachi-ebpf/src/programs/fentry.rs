//! Entries of kernel functions.

use super::EbpfContext;
use super::btf_args::context_of_arguments;
use crate::cty::c_void;
use crate::kernel::{Argument, Direct, Source};

context_of_arguments! {
    /// The arguments of a kernel function that is about to run (5.5).
    ///
    /// ```
    /// use hachi_ebpf::macros::fentry;
    /// use hachi_ebpf::programs::FEntryContext;
    /// use hachi_ebpf::{info, kernel_types};
    ///
    /// kernel_types! {
    ///     struct file {}
    ///     fn vfs_fsync(file: *mut file, datasync: i32) -> i32;
    /// }
    ///
    /// #[fentry(function = "vfs_fsync")]
    /// fn begins(ctx: FEntryContext) {
    ///     info!(&ctx, "data alone: {}", vfs_fsync::of(&ctx).datasync());
    /// }
    /// ```
    FEntryContext, Direct
}
