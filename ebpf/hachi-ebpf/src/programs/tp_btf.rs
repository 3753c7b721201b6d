//! Tracepoints with their arguments as BTF types.

use super::EbpfContext;
use super::btf_args::context_of_arguments;
use crate::cty::c_void;
use crate::kernel::{Argument, Direct, Source};

context_of_arguments! {
    /// The arguments of a tracepoint, with types that the verifier knows (5.5).
    ///
    /// ```
    /// use hachi_ebpf::macros::btf_tracepoint;
    /// use hachi_ebpf::programs::BtfTracePointContext;
    /// use hachi_ebpf::{info, kernel_types};
    ///
    /// kernel_types! {
    ///     struct task_struct { tgid: i32 }
    ///     fn sched_process_exec(p: *const task_struct);
    /// }
    ///
    /// #[btf_tracepoint(function = "sched_process_exec")]
    /// fn starts(ctx: BtfTracePointContext) {
    ///     info!(&ctx, "process {}", sched_process_exec::of(&ctx).p().tgid());
    /// }
    /// ```
    BtfTracePointContext, Direct
}
