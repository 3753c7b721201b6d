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

    /// The field at `offset`, by one load: an integer of 1 to 8 bytes at a constant offset. (The
    /// verifier refuses others, and attaching fails where the record ends before.)
    ///
    /// Offsets and sizes are those of [`read_at`](Self::read_at).
    #[inline(always)]
    pub fn field<T: Pod>(&self, offset: usize) -> T {
        // SAFETY: the verifier checks that the field is in the record; any bytes make a `T`. Volatile
        // because several loads with variable numbers must not become one.
        unsafe { self.ctx.byte_add(offset).cast::<T>().read_volatile() }
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
