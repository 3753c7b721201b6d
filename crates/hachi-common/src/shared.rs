//! Memory that others write at the same time.

use core::{cell::UnsafeCell, fmt};

#[cfg(hachi_bpf)]
use crate::layout::{Layout, Parts};
use crate::{Pod, Shareable, shareable::bits_of};

/// A value in memory that kernel, user space or other CPUs read and write at the same time: an
/// element of a map, in place.
///
/// [`get`](Self::get) copies the value out, [`set`](Self::set) replaces it, and
/// [`field!`](crate::field) gives a field of a struct, for reading and writing no more than that:
///
/// ```
/// use hachi_common::{Pod, Shared, field};
///
/// #[derive(Clone, Copy, Pod)]
/// #[repr(C)]
/// struct Stats {
///     packets: u64,
///     bytes: [u64; 2],
/// }
///
/// fn count(stats: &Shared<Stats>, len: u64) -> u64 {
///     let bytes = field!(stats, bytes[0]);
///     bytes.set(bytes.get() + len);
///     field!(stats, packets).get()
/// }
/// # assert_eq!(count(&Shared::new(Stats { packets: 3, bytes: [0; 2] }), 5), 3);
/// ```
/// An integer is read and written in one piece. Of larger values a reader may see half of an
/// update:
/// nothing is locked, and nothing here is one atomic step but a read or a write of an integer.
#[repr(transparent)]
pub struct Shared<V>(UnsafeCell<V>);

// SAFETY: values go in and out by copy, each piece at once, and any bytes make a value or are
// checked.
unsafe impl<V: Shareable> Sync for Shared<V> {}

impl<V: Shareable> Shared<V> {
    /// A value that nobody shares yet.
    #[inline(always)]
    pub const fn new(value: V) -> Self {
        Shared(UnsafeCell::new(value))
    }

    /// The value at `place`.
    ///
    /// # Safety
    /// The place must be aligned and hold a value, whose bytes are initialised, for as long as the
    /// reference is used. Others may read and write it, except by references to it that are not
    /// `Shared`.
    #[inline(always)]
    pub const unsafe fn from_ptr<'a>(place: *mut V) -> &'a Self {
        // SAFETY: as the caller promises; the type is transparent.
        unsafe { &*place.cast() }
    }

    /// The address, for access of one's own.
    #[inline(always)]
    pub const fn as_ptr(&self) -> *mut V {
        self.0.get()
    }

    /// A copy of the value.
    #[inline(always)]
    pub fn get(&self) -> V::Read {
        // SAFETY: the cell holds the bits of a value, aligned for it, of which `Bits` wants no
        // more.
        V::from_bits(unsafe { load(self.0.get().cast::<V::Bits>()) })
    }

    /// Replaces the value.
    #[inline(always)]
    pub fn set(&self, value: V) {
        // SAFETY: as of `get`.
        unsafe { store(self.0.get().cast::<V::Bits>(), bits_of(&value)) }
    }
}

impl<T: Pod, const N: usize> Shared<[T; N]> {
    /// The element at `index`; `None` beyond the end.
    #[inline(always)]
    pub fn at(&self, index: usize) -> Option<&Shared<T>> {
        if index >= N {
            return None;
        }
        // SAFETY: the element lies in the array.
        Some(unsafe { Shared::from_ptr(self.0.get().cast::<T>().add(index)) })
    }
}

/// A field of a [`Shared`] struct, as a [`Shared`] of its own: `field!(cell, name)`, and deeper
/// `field!(cell, name.inner[0])`.
#[macro_export]
macro_rules! field {
    ($cell:expr, $($path:tt)+) => {
        match $cell {
            // SAFETY: a place in the value, not read.
            cell => unsafe { $crate::Shared::__field(cell, |at| &raw mut (*at).$($path)+) },
        }
    };
}

impl<V> Shared<V> {
    /// # Safety
    /// `place` must give a place in the value that it is given.
    #[doc(hidden)]
    #[inline(always)]
    pub unsafe fn __field<F>(&self, place: impl FnOnce(*mut V) -> *mut F) -> &Shared<F> {
        const {
            assert!(
                align_of::<F>() <= align_of::<V>(),
                "the field of a packed struct need not be aligned: read the struct with `get`"
            );
        }
        // SAFETY: the place lies in the cell.
        unsafe { &*place(self.0.get()).cast() }
    }
}

impl<V: Shareable<Read: fmt::Debug>> fmt::Debug for Shared<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(hachi_bpf)]
const fn is_number(layout: &Layout) -> bool {
    matches!(layout.parts, Parts::Number)
}

/// On eBPF a number is read by one load. Parts of larger values that are not used are not loaded.
///
/// # Safety
/// `at` must be aligned and readable.
#[cfg(hachi_bpf)]
#[inline(always)]
unsafe fn load<T: Pod>(at: *const T) -> T {
    // SAFETY: passed on; any bytes make a `T`.
    unsafe {
        if const { is_number(T::LAYOUT) } {
            at.read_volatile()
        } else {
            at.read()
        }
    }
}

/// # Safety
/// `at` must be aligned and writable.
#[cfg(hachi_bpf)]
#[inline(always)]
unsafe fn store<T: Pod>(at: *mut T, value: T) {
    // SAFETY: passed on.
    unsafe {
        if const { is_number(T::LAYOUT) } {
            at.write_volatile(value);
        } else {
            at.write(value);
        }
    }
}

/// # Safety
/// `at` must be readable.
#[cfg(not(hachi_bpf))]
#[inline]
unsafe fn load<T: Pod>(at: *const T) -> T {
    let mut value = core::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: zeroed, so all bytes are initialised before they are lent; any make a `T`; and the
    // source is as long.
    unsafe {
        let to = core::slice::from_raw_parts_mut(value.as_mut_ptr().cast(), size_of::<T>());
        pieces::load(at.cast(), to);
        value.assume_init()
    }
}

/// # Safety
/// `at` must be writable.
#[cfg(not(hachi_bpf))]
#[inline]
unsafe fn store<T: Pod>(at: *mut T, value: T) {
    // SAFETY: passed on.
    unsafe { pieces::store(at.cast(), crate::bytes_of(&value)) }
}

#[cfg(not(hachi_bpf))]
pub use pieces::{load as load_shared, store as store_shared};

/// Memory that is written meanwhile, read and written in the largest pieces that are one step.
#[cfg(not(hachi_bpf))]
mod pieces {
    use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

    /// The largest power of two up to 8 that `address` is a multiple of and that is not above
    /// `left`.
    #[inline]
    pub(super) fn piece(address: usize, left: usize) -> usize {
        [8, 4, 2]
            .into_iter()
            .find(|&size| left >= size && address.is_multiple_of(size))
            .unwrap_or(1)
    }

    /// Reads memory that others write meanwhile: values of 1, 2, 4 or 8 bytes at a multiple of
    /// their size in one piece, others in several.
    ///
    /// # Safety
    /// `from` must be readable for the length of `to`.
    #[inline]
    pub unsafe fn load(from: *const u8, to: &mut [u8]) {
        let mut at = 0;
        while at < to.len() {
            // SAFETY: `at` is below the length the caller vouches for; a piece stays below it and
            // is aligned. Atomic reads of memory that may be read-only are plain loads at these
            // sizes.
            unsafe {
                let place = from.add(at).cast_mut();
                let left = &mut to[at..];
                let size = piece(place.addr(), left.len());
                match size {
                    8 => left[..8].copy_from_slice(
                        &AtomicU64::from_ptr(place.cast())
                            .load(Relaxed)
                            .to_ne_bytes(),
                    ),
                    4 => left[..4].copy_from_slice(
                        &AtomicU32::from_ptr(place.cast())
                            .load(Relaxed)
                            .to_ne_bytes(),
                    ),
                    2 => left[..2].copy_from_slice(
                        &AtomicU16::from_ptr(place.cast())
                            .load(Relaxed)
                            .to_ne_bytes(),
                    ),
                    _ => left[0] = AtomicU8::from_ptr(place).load(Relaxed),
                }
                at += size;
            }
        }
    }

    /// As [`load`], the other way.
    ///
    /// # Safety
    /// `to` must be writable for the length of `from`.
    #[inline]
    pub unsafe fn store(to: *mut u8, from: &[u8]) {
        let mut left = from;
        let mut place = to;
        while let Some(&first) = left.first() {
            let size = piece(place.addr(), left.len());
            // SAFETY: as in `load`.
            unsafe {
                if let (8, Some(bytes)) = (size, left.first_chunk()) {
                    AtomicU64::from_ptr(place.cast()).store(u64::from_ne_bytes(*bytes), Relaxed);
                } else if let (4, Some(bytes)) = (size, left.first_chunk()) {
                    AtomicU32::from_ptr(place.cast()).store(u32::from_ne_bytes(*bytes), Relaxed);
                } else if let (2, Some(bytes)) = (size, left.first_chunk()) {
                    AtomicU16::from_ptr(place.cast()).store(u16::from_ne_bytes(*bytes), Relaxed);
                } else {
                    AtomicU8::from_ptr(place).store(first, Relaxed);
                }
                place = place.add(size);
            }
            left = &left[size..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn copies_at_any_alignment_come_back_whole() {
        let mut memory = [0u64; 4];
        let start = memory.as_mut_ptr().cast::<u8>();
        for offset in 0..9 {
            for len in 0..17 {
                let from: Vec<u8> = (1..=len).collect();
                let mut back = std::vec![0; usize::from(len)];
                // SAFETY: at most 8 + 16 bytes of the 32.
                unsafe {
                    store_shared(start.add(offset), &from);
                    load_shared(start.add(offset), &mut back);
                }
                assert_eq!(back, from);
            }
        }
        use pieces::piece;
        assert_eq!(
            (piece(8, 9), piece(12, 9), piece(8, 3), piece(7, 8)),
            (8, 4, 2, 1)
        );
    }

    #[test]
    fn elements_and_values_of_a_cell() {
        let cell = Shared::new([1u32, 2, 3]);
        cell.at(2).unwrap().set(9);
        assert!(cell.at(3).is_none());
        assert_eq!(cell.get(), [1, 2, 9]);
        let flag = Shared::new(true);
        flag.set(false);
        assert!(!flag.get());
    }
}
