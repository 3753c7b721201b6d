//! Buffers of events of any types.

use crate::{EbpfContext, maps};

/// A buffer of events for each CPU, of any types.
#[repr(transparent)]
pub struct PerfEventArray<const FLAGS: usize = 0>(maps::PerfEventByteArray);

impl<const FLAGS: usize> PerfEventArray<FLAGS> {
    /// The map.
    pub const fn new() -> Self {
        PerfEventArray(maps::PerfEventByteArray::new(FLAGS as u32))
    }

    /// Sends an event. One for which there is no room is lost.
    #[inline(always)]
    pub fn output<T, C: EbpfContext>(&self, ctx: &C, data: &T, flags: u32) {
        self.0.output(ctx, bytes_of(data), flags);
    }

    /// Sends an event through the buffer at `index`.
    #[inline(always)]
    pub fn output_at_index<T, C: EbpfContext>(&self, ctx: &C, index: u32, data: &T, flags: u32) {
        self.0.output_at_index(ctx, index, bytes_of(data), flags);
    }
}

impl<const FLAGS: usize> Default for PerfEventArray<FLAGS> {
    fn default() -> Self {
        Self::new()
    }
}

#[inline(always)]
fn bytes_of<T>(data: &T) -> &[u8] {
    // SAFETY: the bytes of the value; nothing looks at them but the kernel's copy, and the verifier
    // refuses those that are not initialised.
    unsafe { core::slice::from_raw_parts(core::ptr::from_ref(data).cast(), size_of::<T>()) }
}
