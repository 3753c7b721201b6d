//! A buffer of records, most of one type.

use core::{borrow::Borrow, marker::PhantomData};

use crate::maps;

/// A buffer of this many bytes for records of type `T`.
#[repr(transparent)]
pub struct RingBuf<T: 'static, const MAX_ENTRIES: usize, const FLAGS: usize = 0>(
    maps::RingBuf,
    PhantomData<fn(T)>,
);

impl<T: 'static, const MAX_ENTRIES: usize, const FLAGS: usize> RingBuf<T, MAX_ENTRIES, FLAGS> {
    /// The map.
    pub const fn new() -> Self {
        let ring = maps::RingBuf::with_byte_size(MAX_ENTRIES as u32, FLAGS as u32);
        RingBuf(ring, PhantomData)
    }

    /// Room for a record; `None` when the buffer is full.
    #[inline(always)]
    pub fn reserve(&self, flags: u64) -> Option<maps::ring_buf::RingBufEntry<T>>
    where
        T: 'static,
    {
        self.0.reserve::<T>(flags)
    }

    /// Room for a record of another type.
    #[inline(always)]
    pub fn reserve_untyped<U: 'static>(
        &self,
        flags: u64,
    ) -> Option<maps::ring_buf::RingBufEntry<U>> {
        self.0.reserve::<U>(flags)
    }

    /// Room for this many bytes; `None` when the buffer is full.
    #[inline(always)]
    pub fn reserve_bytes(
        &self,
        size: usize,
        flags: u64,
    ) -> Option<maps::ring_buf::RingBufBytes<'_>> {
        self.0.reserve_bytes(size, flags)
    }

    /// Sends a record.
    ///
    /// # Errors
    /// What the kernel returns, negative: `-EAGAIN` when the buffer is full.
    #[inline(always)]
    pub fn output(&self, data: impl Borrow<T>, flags: u64) -> Result<(), i32> {
        self.0.output::<T>(data, flags)
    }

    /// Sends a record of another type.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    #[inline(always)]
    pub fn output_untyped<U: ?Sized>(&self, data: impl Borrow<U>, flags: u64) -> Result<(), i32> {
        self.0.output::<U>(data, flags)
    }
}

impl<T: 'static, const MAX_ENTRIES: usize, const FLAGS: usize> Default
    for RingBuf<T, MAX_ENTRIES, FLAGS>
{
    fn default() -> Self {
        Self::new()
    }
}
