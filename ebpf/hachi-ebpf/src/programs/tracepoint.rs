//! Tracepoints with the record that tracefs describes.

use super::EbpfContext;
use crate::Pod;
use crate::cty::{c_long, c_void};
use crate::helpers;

/// The record of a tracepoint (4.7).
#[derive(Debug)]
#[repr(transparent)]
pub struct TracePointContext {
    ctx: *mut c_void,
}

impl TracePointContext {
    /// Wraps the context that the kernel called the program with. The attribute does so.
    #[inline(always)]
    pub fn new(ctx: *mut c_void) -> Self {
        Self { ctx }
    }

    /// The field at `offset` bytes, as
    /// `/sys/kernel/tracing/events/CATEGORY/NAME/format` says (`offset:`, `size:`).
    ///
    /// # Errors
    /// What `bpf_probe_read_kernel` says (5.5).
    ///
    /// # Safety
    /// None is needed: the kernel checks the address. It is `unsafe` for Aya's sake, where it is.
    #[inline(always)]
    pub unsafe fn read_at<T: Pod>(&self, offset: usize) -> Result<T, c_long> {
        // SAFETY: the kernel checks the address.
        unsafe { helpers::bpf_probe_read_kernel(self.ctx.cast::<u8>().wrapping_add(offset).cast()) }
    }
}

impl EbpfContext for TracePointContext {
    #[inline(always)]
    fn as_ptr(&self) -> *mut c_void {
        self.ctx
    }
}
