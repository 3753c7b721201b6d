use crate::{EbpfContext, maps};

/// Contexts of programs that can look at the stack.
pub trait StackIdContext: EbpfContext {
    /// The number under which `map` holds the current stack.
    ///
    /// # Errors
    /// What the kernel returns, negative.
    #[inline(always)]
    fn get_stackid<M: StackTraceMap>(
        &self,
        map: &M,
        flags: u64,
    ) -> Result<crate::cty::c_long, i32> {
        map.stack_trace()
            .get_stackid(hachi_ebpf_context(self), flags)
            .map_err(|error| error as i32)
    }
}

#[inline(always)]
fn hachi_ebpf_context<C: EbpfContext + ?Sized>(ctx: &C) -> &C::Hachi {
    ctx.as_hachi()
}

macro_rules! contexts {
    ($($name:ident)*) => { $(
        impl StackIdContext for super::$name {}
    )* };
}

contexts! {
    BtfTracePointContext FEntryContext FExitContext LsmContext PerfEventContext ProbeContext
    RawTracePointContext RetProbeContext TracePointContext
}

/// Maps of stacks.
pub trait StackTraceMap {
    /// Hachi's map.
    #[doc(hidden)]
    fn stack_trace(&self) -> &hachi_ebpf::maps::StackTrace;
}

impl StackTraceMap for maps::StackTrace {
    #[inline(always)]
    fn stack_trace(&self) -> &hachi_ebpf::maps::StackTrace {
        self.hachi()
    }
}

impl<const MAX_ENTRIES: usize, const FLAGS: usize> StackTraceMap
    for crate::btf_maps::StackTrace<MAX_ENTRIES, FLAGS>
{
    #[inline(always)]
    fn stack_trace(&self) -> &hachi_ebpf::maps::StackTrace {
        self.hachi()
    }
}
