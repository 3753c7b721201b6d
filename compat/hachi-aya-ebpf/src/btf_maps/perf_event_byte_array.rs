//! Buffers of events of any bytes.

use core::ops::Deref;

use crate::maps;

/// A buffer of events for each CPU, of any bytes.
#[repr(transparent)]
pub struct PerfEventByteArray<const FLAGS: usize = 0>(maps::PerfEventByteArray);

impl<const FLAGS: usize> PerfEventByteArray<FLAGS> {
    /// The map.
    pub const fn new() -> Self {
        PerfEventByteArray(maps::PerfEventByteArray::new(FLAGS as u32))
    }
}

impl<const FLAGS: usize> Default for PerfEventByteArray<FLAGS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const FLAGS: usize> Deref for PerfEventByteArray<FLAGS> {
    type Target = maps::PerfEventByteArray;

    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
