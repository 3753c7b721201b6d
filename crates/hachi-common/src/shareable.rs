//! Types with fewer values than patterns of bits: what is read of them is checked.

use core::{fmt, marker::PhantomData};

use crate::{
    Pod,
    layout::{Field, Layout},
};

/// A type whose values may cross between kernel and user space: plain data ([`Pod`]), or what is
/// stored as plain data and checked when it is read.
///
/// All plain data is. So is `bool` (a byte; anything but 0 is true), and an enum without data that
/// derives it: it is stored as the integer of its `repr`, and reading gives an `Option`, since the
/// other side may have written a number of no variant.
///
/// ```
/// use hachi_common::Shareable;
///
/// #[derive(Clone, Copy, Debug, PartialEq, Shareable)]
/// #[repr(u8)]
/// enum Verdict {
///     Pass = 1,
///     Drop = 2,
/// }
///
/// assert_eq!(Verdict::from_bits(2), Some(Verdict::Drop));
/// assert_eq!(Verdict::from_bits(7), None);
/// ```
/// Inside of a struct such a type is a [`Stored`].
///
/// # Safety
/// A value must be the bytes of one `Bits`: `Self` has the size of `Bits` and no padding.
#[diagnostic::on_unimplemented(
    message = "kernel and user space cannot share `{Self}`",
    label = "neither plain data nor an enum that is checked when it is read",
    note = "a struct of your own: `#[derive(Clone, Copy, Pod)] #[repr(C)]`, which names the field \
            that has padding or is not plain data",
    note = "an enum without data: `#[derive(Clone, Copy, Shareable)] #[repr(u8)]`",
    note = "text: its bytes, in an array, `[u8; 16]`",
    note = "a `char` or `NonZero…`: an integer of that size; a reference or pointer: the value \
            itself, or a `u64`"
)]
pub unsafe trait Shareable: Copy + 'static {
    /// What lies in memory.
    type Bits: Pod;
    /// What a read gives: the value, or an `Option` of it where not all bits make one.
    type Read;

    /// What `bits` mean.
    fn from_bits(bits: Self::Bits) -> Self::Read;
}

#[diagnostic::do_not_recommend]
// SAFETY: a plain type is its own bits.
unsafe impl<T: Pod> Shareable for T {
    type Bits = T;
    type Read = T;

    #[inline(always)]
    fn from_bits(bits: T) -> T {
        bits
    }
}

// SAFETY: a `bool` is one byte, 0 or 1.
unsafe impl Shareable for bool {
    type Bits = u8;
    type Read = bool;

    #[inline(always)]
    fn from_bits(bits: u8) -> bool {
        bits != 0
    }
}

/// The bits of a value.
#[inline(always)]
pub(crate) const fn bits_of<T: Shareable>(value: &T) -> T::Bits {
    const { assert!(size_of::<T>() == size_of::<T::Bits>()) };
    // SAFETY: `Shareable` promises that the value is these bytes; the read is unaligned.
    unsafe { (value as *const T).cast::<T::Bits>().read_unaligned() }
}

/// A `T` as plain data: for `bool`s and enums in the structs that cross.
///
/// ```
/// use hachi_common::{Pod, Shareable, Stored};
///
/// #[derive(Clone, Copy, Debug, PartialEq, Shareable)]
/// #[repr(u8)]
/// enum Verdict {
///     Pass = 1,
///     Drop = 2,
/// }
///
/// #[derive(Clone, Copy, Pod)]
/// #[repr(C)]
/// struct Event {
///     port: u16,
///     verdict: Stored<Verdict>,
///     logged: Stored<bool>,
/// }
///
/// let event = Event { port: 22, verdict: Verdict::Drop.into(), logged: true.into() };
/// assert_eq!((event.verdict.get(), event.logged.get()), (Some(Verdict::Drop), true));
/// ```
#[repr(transparent)]
pub struct Stored<T: Shareable> {
    bits: T::Bits,
    of: PhantomData<T>,
}

impl<T: Shareable> Stored<T> {
    /// A value, to be stored.
    #[inline(always)]
    pub const fn new(value: T) -> Self {
        Stored {
            bits: bits_of(&value),
            of: PhantomData,
        }
    }

    /// The value, checked.
    #[inline(always)]
    pub fn get(self) -> T::Read {
        T::from_bits(self.bits)
    }

    /// What lies in memory.
    #[inline(always)]
    pub const fn bits(self) -> T::Bits {
        self.bits
    }
}

impl<T: Shareable> Clone for Stored<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Shareable> Copy for Stored<T> {}

impl<T: Shareable> From<T> for Stored<T> {
    #[inline(always)]
    fn from(value: T) -> Self {
        Stored::new(value)
    }
}

impl<T: Shareable> PartialEq for Stored<T> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        crate::bytes_of(&self.bits) == crate::bytes_of(&other.bits)
    }
}

impl<T: Shareable> Eq for Stored<T> {}

impl<T: Shareable + Default> Default for Stored<T> {
    #[inline(always)]
    fn default() -> Self {
        Stored::new(T::default())
    }
}

impl<T: Shareable<Read: fmt::Debug>> fmt::Debug for Stored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

// SAFETY: transparent around plain data.
unsafe impl<T: Shareable> Pod for Stored<T> {
    const FIELDS: &'static [Field] = <T::Bits as Pod>::FIELDS;
    const LAYOUT: &'static Layout = <T::Bits as Pod>::LAYOUT;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_makes_a_bool() {
        let on: Stored<bool> = crate::read_bytes(&[2]).unwrap();
        assert!(on.get());
        assert_eq!(on.bits(), 2);
        assert_eq!(Stored::new(true).bits(), 1);
        assert!(!Stored::<bool>::default().get());
        assert_eq!(Stored::<bool>::LAYOUT, u8::LAYOUT);
        assert_eq!(std::format!("{:?}", Stored::new(false)), "false");
    }
}
