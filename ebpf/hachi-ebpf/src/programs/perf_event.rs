//! Perf events: programs that run each time a number of events was counted.

use super::registers::{self, pt_regs};
use super::{ProbeContext, context, context_fields};
use crate::bindings::bpf_perf_event_value;
use crate::cty::c_long;
use crate::helpers;

/// What the kernel gives such a program.
#[allow(non_camel_case_types, reason = "C's own name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bpf_perf_event_data {
    /// The registers where the event was counted.
    pub regs: pt_regs,
    /// See [`PerfEventContext::sample_period`].
    pub sample_period: u64,
    /// See [`PerfEventContext::addr`].
    pub addr: u64,
}

context! {
    /// The event that a `#[perf_event]` program is called for (4.9). Stacks are got from
    /// [`StackTrace::get_stackid`](crate::maps::StackTrace::get_stackid).
    ///
    /// ```
    /// use hachi_ebpf::macros::perf_event;
    /// use hachi_ebpf::programs::PerfEventContext;
    /// use hachi_ebpf::{EbpfContext, info};
    ///
    /// #[perf_event]
    /// fn sample(ctx: PerfEventContext) -> u32 {
    ///     info!(&ctx, "process {} runs", ctx.tgid());
    ///     0
    /// }
    /// ```
    PerfEventContext(bpf_perf_event_data), "#[perf_event]"
}

context_fields! { PerfEventContext {
    /// How many events were counted since the last time.
    sample_period: sample_period -> u64;
    /// The address that the event is about, where it has one (4.16).
    addr: addr -> u64;
} }

impl PerfEventContext {
    /// The registers where the event was counted, of the kernel or of the process.
    #[inline(always)]
    pub fn registers(&self) -> ProbeContext {
        // SAFETY: what the kernel gives begins with the registers, which are only read.
        unsafe { ProbeContext::new(self.ctx.cast()) }
    }

    /// Where the code was that caused the event.
    #[inline(always)]
    pub fn instruction_pointer(&self) -> u64 {
        registers::instruction_pointer(self.ctx.cast())
    }

    /// The event's counter, and for how long it was counted (4.15).
    ///
    /// # Errors
    /// `-EINVAL` when the event cannot be read here.
    #[inline(always)]
    pub fn counter(&self) -> Result<bpf_perf_event_value, c_long> {
        let mut value = bpf_perf_event_value {
            counter: 0,
            enabled: 0,
            running: 0,
        };
        // SAFETY: the context is the kernel's, the value writable for its size.
        helpers::check(unsafe {
            helpers::bpf_perf_prog_read_value(
                self.ctx.cast(),
                &raw mut value,
                size_of::<bpf_perf_event_value>() as u32,
            )
        })?;
        Ok(value)
    }
}
