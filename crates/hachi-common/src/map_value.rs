//! What the values of maps may be.

use crate::{Shareable, Shared, layout::Names};

/// A type that the values of a program's map may have: plain data and what else is [`Shareable`],
/// or
/// what is made to be used in place by several at once (atomic numbers, locks, timers, and structs
/// of these that derive it).
///
/// A program reads plain data by copy, since another CPU, or user space, may write the value at any
/// moment. What is made to be shared it gets by reference.
///
/// # Safety
/// A reference to a `Cell`, or a `Ref`, must be a good one to any value that has been in a map:
/// zeros, the bytes of a value, or any bytes that user space wrote there. Others may write it at
/// the
/// same time. No byte of a value may be padding.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a map",
    label = "neither plain data nor made to be used by several at once",
    note = "a struct of your own: `#[derive(Clone, Copy, Pod)] #[repr(C)]`, which names the field \
            that has padding or is not plain data",
    note = "an enum without data: `#[derive(Clone, Copy, Shareable)] #[repr(u8)]`",
    note = "a struct of atomic numbers, locks, timers and `Shared` cells: `#[derive(MapValue)] \
            #[repr(C)]`",
    note = "text: its bytes, in an array, `[u8; 16]`",
    note = "a `char` or `NonZero…`: an integer of that size; a reference or pointer: the value \
            itself, or a `u64`"
)]
pub unsafe trait MapValue: Sized + 'static + Names {
    /// What looking at the value gives: a copy of plain data, a reference to the rest.
    type Ref<'a>;
    /// The value in place, for reading and writing: a [`Shared`] of plain data, the type itself of
    /// the rest.
    type Cell: 'static;

    /// Looks at the value at `place`.
    ///
    /// # Safety
    /// There must be a value, for as long as the result is used.
    unsafe fn look<'a>(place: *mut Self) -> Self::Ref<'a>
    where
        Self: 'a;

    /// No constant when there is padding.
    #[doc(hidden)]
    const __CHECKED: () = ();
}

#[diagnostic::do_not_recommend]
// SAFETY: copies and `Shared` cells are good whatever the bytes are.
unsafe impl<T: Shareable> MapValue for T {
    type Ref<'a> = T::Read;
    type Cell = Shared<T>;

    #[inline(always)]
    unsafe fn look<'a>(place: *mut T) -> T::Read
    where
        T: 'a,
    {
        // On eBPF a plain load is one load, and one that nobody uses is left out.
        #[cfg(hachi_bpf)]
        // SAFETY: the caller's promise; any bytes are bits.
        return T::from_bits(unsafe { place.cast::<T::Bits>().read() });
        #[cfg(not(hachi_bpf))]
        // SAFETY: the caller's promise.
        unsafe { Shared::from_ptr(place) }.get()
    }
}

// SAFETY: a cell is good whatever the bytes are, and while others write them.
unsafe impl<T: Shareable> MapValue for Shared<T> {
    type Ref<'a> = &'a Shared<T>;
    type Cell = Shared<T>;

    #[inline(always)]
    unsafe fn look<'a>(place: *mut Self) -> &'a Self
    where
        Self: 'a,
    {
        // SAFETY: the caller's promise.
        unsafe { &*place }
    }
}
