//! A buffer of records.

use core::{
    borrow::Borrow,
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    slice,
};

use hachi_ebpf::{
    helpers::{bpf_ringbuf_discard, bpf_ringbuf_output, bpf_ringbuf_reserve, bpf_ringbuf_submit},
    maps as hachi,
};

use crate::check;

/// A buffer of records, in order, for all CPUs (5.8).
#[repr(transparent)]
pub struct RingBuf(hachi::RingBuf);

/// Room for a record. It must be submitted or discarded.
#[must_use = "the verifier refuses programs that neither submit nor discard it"]
pub struct RingBufEntry<T: 'static>(&'static mut MaybeUninit<T>);

impl<T> Deref for RingBufEntry<T> {
    type Target = MaybeUninit<T>;

    #[inline(always)]
    fn deref(&self) -> &MaybeUninit<T> {
        self.0
    }
}

impl<T> DerefMut for RingBufEntry<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut MaybeUninit<T> {
        self.0
    }
}

impl<T> RingBufEntry<T> {
    /// Sends the record.
    #[inline(always)]
    pub fn submit(self, flags: u64) {
        // SAFETY: it was reserved, and is given back once.
        unsafe { bpf_ringbuf_submit(self.0.as_mut_ptr().cast(), flags) }
    }

    /// Gives the room back.
    #[inline(always)]
    pub fn discard(self, flags: u64) {
        // SAFETY: it was reserved, and is given back once.
        unsafe { bpf_ringbuf_discard(self.0.as_mut_ptr().cast(), flags) }
    }
}

/// Room for bytes. It must be submitted or discarded.
#[must_use = "the verifier refuses programs that neither submit nor discard it"]
pub struct RingBufBytes<'a>(&'a mut [u8]);

impl Deref for RingBufBytes<'_> {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl DerefMut for RingBufBytes<'_> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0
    }
}

impl RingBufBytes<'_> {
    /// Sends the record.
    #[inline(always)]
    pub fn submit(self, flags: u64) {
        // SAFETY: it was reserved, and is given back once.
        unsafe { bpf_ringbuf_submit(self.0.as_mut_ptr().cast(), flags) }
    }

    /// Gives the room back.
    #[inline(always)]
    pub fn discard(self, flags: u64) {
        // SAFETY: it was reserved, and is given back once.
        unsafe { bpf_ringbuf_discard(self.0.as_mut_ptr().cast(), flags) }
    }
}

impl RingBuf {
    /// A buffer of this many bytes, a power of two and a multiple of the page size.
    pub const fn with_byte_size(byte_size: u32, flags: u32) -> Self {
        RingBuf(hachi::RingBuf::with_byte_size(byte_size, flags))
    }

    /// The same, pinned by its name.
    pub const fn pinned(byte_size: u32, flags: u32) -> Self {
        RingBuf(hachi::RingBuf::pinned(byte_size, flags))
    }

    /// Room for a record; `None` when the buffer is full.
    #[inline(always)]
    pub fn reserve<T: 'static>(&self, flags: u64) -> Option<RingBufEntry<T>> {
        const { assert!(align_of::<T>() <= 8, "records are aligned to 8 bytes") };
        // SAFETY: the map is one of the object's.
        let room = unsafe { bpf_ringbuf_reserve(self.0.as_ptr(), size_of::<T>() as u64, flags) };
        // SAFETY: the kernel gives room for as many bytes, aligned to 8.
        unsafe { room.cast::<MaybeUninit<T>>().as_mut() }.map(RingBufEntry)
    }

    /// Room for this many bytes, a number that the verifier must know; `None` when the buffer is
    /// full.
    #[inline(always)]
    pub fn reserve_bytes(&self, size: usize, flags: u64) -> Option<RingBufBytes<'_>> {
        // SAFETY: the map is one of the object's.
        let room = unsafe { bpf_ringbuf_reserve(self.0.as_ptr(), size as u64, flags) };
        // SAFETY: the kernel gives room for as many bytes.
        (!room.is_null())
            .then(|| RingBufBytes(unsafe { slice::from_raw_parts_mut(room.cast(), size) }))
    }

    /// Sends a record.
    ///
    /// # Errors
    /// What the kernel returns, negative: `-EAGAIN` when the buffer is full.
    #[inline(always)]
    pub fn output<T: ?Sized>(&self, data: impl Borrow<T>, flags: u64) -> Result<(), i32> {
        let data = data.borrow();
        // SAFETY: the map is one of the object's, the data readable for its size.
        let result = unsafe {
            bpf_ringbuf_output(
                self.0.as_ptr(),
                core::ptr::from_ref(data).cast_mut().cast(),
                size_of_val(data) as u64,
                flags,
            )
        };
        check(result)
    }

    /// A number about the buffer (`BPF_RB_…`).
    #[inline(always)]
    pub fn query(&self, flags: u64) -> u64 {
        self.0.query(flags)
    }
}
