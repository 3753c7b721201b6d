//! `BPF_MAP_TYPE_STACK_TRACE`

use crate::cty::c_long;
use crate::{EbpfContext, helpers};

/// How many frames a stack has at most: `PERF_MAX_STACK_DEPTH`.
const DEPTH: usize = 127;

map_kind! {
    /// Stacks, as lists of addresses, under a number that is the same for the same stack (4.6).
    ///
    /// ```
    /// use hachi_ebpf::macros::{kprobe, map};
    /// use hachi_ebpf::{maps::{HashMap, StackTrace}, programs::ProbeContext};
    ///
    /// #[map]
    /// static STACKS: StackTrace = StackTrace::with_max_entries(1024, 0);
    ///
    /// #[map]
    /// static CALLS: HashMap<i64, u64> = HashMap::with_max_entries(1024, 0);
    ///
    /// /// Counts by the ways that lead here.
    /// #[kprobe(function = "vfs_fsync")]
    /// fn counted(ctx: ProbeContext) -> Result<(), i64> {
    ///     let stack = STACKS.get_stackid(&ctx, 0)?;
    ///     CALLS.insert(stack, CALLS.get(stack).unwrap_or(0) + 1, 0)
    /// }
    /// ```
    StackTrace = BPF_MAP_TYPE_STACK_TRACE(u32 => [u64; DEPTH]),
    entries: "up to `max_entries` stacks"
}

impl StackTrace {
    /// The number of the stack that led here (GPL only). `flags`: how many frames to leave out, and
    /// `BPF_F_USER_STACK`, `BPF_F_FAST_STACK_CMP`, `BPF_F_REUSE_STACKID`.
    ///
    /// # Errors
    /// `-EEXIST` when another stack has the same hash, `-EFAULT` when there is no stack to be seen.
    #[inline(always)]
    pub fn get_stackid<C: EbpfContext>(&self, ctx: &C, flags: u64) -> Result<i64, c_long> {
        // SAFETY: the context is the kernel's, the map is one of the object's.
        let id = unsafe { helpers::bpf_get_stackid(ctx.as_ptr(), self.as_ptr(), flags) };
        helpers::check(id)?;
        Ok(id)
    }
}
