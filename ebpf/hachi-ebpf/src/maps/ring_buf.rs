//! `BPF_MAP_TYPE_RINGBUF`

use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::{Deref, DerefMut};

use super::def::{Map, MapDef, Pinning};
use crate::bindings::bpf_map_type::BPF_MAP_TYPE_RINGBUF;
use crate::cty::{c_long, c_void};
use crate::dynptr::Dynptr;
use crate::{Pod, Record, helpers};

/// A ring buffer: records from programs on all CPUs to one reader in user space, in order (5.8).
///
/// ```
/// use hachi_ebpf::{macros::map, maps::RingBuf};
///
/// #[map]
/// static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);
///
/// fn report(port: u16) {
///     if let Some(mut entry) = EVENTS.reserve::<u16>(0) {
///         entry.write(port);
///         entry.submit(0);
///     } // None: the buffer is full.
/// }
/// ```
#[repr(transparent)]
pub struct RingBuf {
    // No types of key and value: the kernel knows none for a ring buffer.
    def: Map<(), ()>,
}

impl RingBuf {
    /// A ring buffer of `byte_size` bytes, which must be a power of two and a multiple of the page
    /// size (the loader rounds up); `flags` are those of map creation, usually 0.
    pub const fn with_byte_size(byte_size: u32, flags: u32) -> Self {
        RingBuf {
            def: Map::new(MapDef::new(
                BPF_MAP_TYPE_RINGBUF,
                byte_size,
                flags,
                Pinning::None,
            )),
        }
    }

    /// The same, pinned by its name: loaded a second time, it is the map that is there already.
    pub const fn pinned(byte_size: u32, flags: u32) -> Self {
        RingBuf {
            def: Map::new(MapDef::new(
                BPF_MAP_TYPE_RINGBUF,
                byte_size,
                flags,
                Pinning::ByName,
            )),
        }
    }

    /// The map as the helpers take it.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut c_void {
        self.def.as_ptr()
    }

    /// Room for a `T` in the buffer, to be filled and submitted; `None` when the buffer is full.
    /// `flags` must be 0.
    ///
    /// The kernel aligns to 8; a `T` of more is an error when the program is built.
    #[inline(always)]
    pub fn reserve<T: Pod>(&self, flags: u64) -> Option<RingBufEntry<T>> {
        const {
            assert!(
                align_of::<T>() <= 8,
                "records in a ring buffer are aligned to 8 bytes at most"
            )
        };
        // SAFETY: the map is a ring buffer of the object; `RingBufEntry` submits or discards.
        let entry =
            unsafe { helpers::bpf_ringbuf_reserve(self.as_ptr(), size_of::<T>() as u64, flags) };
        if entry.is_null() {
            None
        } else {
            Some(RingBufEntry(entry.cast()))
        }
    }

    /// Reserves `size` bytes, any number, lets `fill` write them, and hands them to the reader if
    /// that succeeds (5.19).
    ///
    /// ```
    /// # use hachi_ebpf::maps::RingBuf;
    /// # static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);
    /// fn report(name: &[u8; 16], count: u32) -> Result<(), i64> {
    ///     EVENTS.reserve_with(4 + 16 * count, |record| {
    ///         record.write(0, &count)?;
    ///         record.write(4, name)
    ///     })
    /// }
    /// ```
    /// What `fill` leaves out are bytes of older records.
    ///
    /// # Errors
    /// What `fill` returns: then the reader never sees the record. When the buffer is full, or
    /// `size` is too large for it, `fill` is not called: `-ENOSPC` and its like.
    #[inline(always)]
    pub fn reserve_with<T>(
        &self,
        size: u32,
        fill: impl FnOnce(&mut Dynptr) -> Result<T, c_long>,
    ) -> Result<T, c_long> {
        // It stays in this place from here to the end: the verifier knows it by that.
        let mut record = MaybeUninit::<Dynptr>::uninit();
        let at = record.as_mut_ptr();
        // SAFETY: the map is a ring buffer of the object. Even if there is no room, the kernel
        // wants the dynptr back, and an empty one is a good one.
        unsafe {
            let reserved = helpers::bpf_ringbuf_reserve_dynptr(self.as_ptr(), size, 0, at.cast());
            if reserved < 0 {
                helpers::bpf_ringbuf_discard_dynptr(at.cast(), 0);
                return Err(reserved);
            }
            match fill(&mut *at) {
                Ok(value) => {
                    helpers::bpf_ringbuf_submit_dynptr(at.cast(), 0);
                    Ok(value)
                }
                Err(error) => {
                    helpers::bpf_ringbuf_discard_dynptr(at.cast(), 0);
                    Err(error)
                }
            }
        }
    }

    /// Copies `record` into the buffer: plain data, a slice of it, or text. `flags` is 0,
    /// `BPF_RB_NO_WAKEUP` or `BPF_RB_FORCE_WAKEUP`.
    ///
    /// # Errors
    /// `-EAGAIN` when the buffer is full.
    #[inline(always)]
    pub fn output<T: Record + ?Sized>(&self, record: &T, flags: u64) -> Result<(), c_long> {
        let record = record.as_bytes();
        // SAFETY: the map is a ring buffer of the object, the record is readable for its size.
        helpers::check(unsafe {
            helpers::bpf_ringbuf_output(
                self.as_ptr(),
                record.as_ptr().cast_mut().cast(),
                record.len() as u64,
                flags,
            )
        })
    }

    /// A property of the buffer in bytes, by one of the flags `BPF_RB_AVAIL_DATA`,
    /// `BPF_RB_RING_SIZE`, `BPF_RB_CONS_POS`, `BPF_RB_PROD_POS`.
    #[inline(always)]
    pub fn query(&self, flags: u64) -> u64 {
        // SAFETY: the map is a ring buffer of the object.
        unsafe { helpers::bpf_ringbuf_query(self.as_ptr(), flags) }
    }
}

/// Room for a `T` in a ring buffer.
///
/// [`submit`](Self::submit) hands it to the reader. Dropped without that, it is discarded: the
/// reader never sees it. Between reserving and submitting nothing may panic: the verifier insists
/// on one of the two on every way out.
#[must_use = "dropped, the record is discarded"]
pub struct RingBufEntry<T: Pod>(*mut MaybeUninit<T>);

impl<T: Pod> RingBufEntry<T> {
    /// Hands the record to the reader; `flags` is 0, `BPF_RB_NO_WAKEUP` or `BPF_RB_FORCE_WAKEUP`.
    ///
    /// Write all of it first: what was not written are bytes of older records.
    #[inline(always)]
    pub fn submit(self, flags: u64) {
        let entry = ManuallyDrop::new(self);
        // SAFETY: the pointer is a reservation, and given up here without being dropped.
        unsafe { helpers::bpf_ringbuf_submit(entry.0.cast(), flags) }
    }

    /// Gives the record up; `flags` as in [`submit`](Self::submit).
    #[inline(always)]
    pub fn discard(self, flags: u64) {
        let entry = ManuallyDrop::new(self);
        // SAFETY: the pointer is a reservation, and given up here without being dropped.
        unsafe { helpers::bpf_ringbuf_discard(entry.0.cast(), flags) }
    }
}

impl<T: Pod> Drop for RingBufEntry<T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the pointer is a reservation that was neither submitted nor discarded.
        unsafe { helpers::bpf_ringbuf_discard(self.0.cast(), 0) }
    }
}

impl<T: Pod> Deref for RingBufEntry<T> {
    type Target = MaybeUninit<T>;

    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        // SAFETY: the reservation has room for a `T`, aligned to 8, until it is given up.
        unsafe { &*self.0 }
    }
}

impl<T: Pod> DerefMut for RingBufEntry<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Self::Target {
        // SAFETY: as in `deref`.
        unsafe { &mut *self.0 }
    }
}
