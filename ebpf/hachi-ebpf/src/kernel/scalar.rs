//! Values that fields have.

use super::{Element, Mode, Step};
use crate::cty::{c_long, c_void};

/// A value that can be read from the kernel's memory, whatever bytes are there: an integer, a
/// `bool`, a pointer that is only a number here, the number of an enumerator, or an array of
/// integers.
pub trait Scalar: Copy + Step<Out = Self> {
    /// What its bytes are read as.
    #[doc(hidden)]
    type Raw: Raw;
    #[doc(hidden)]
    fn from_raw(raw: Self::Raw) -> Self;
}

/// A type of which all bytes make a value.
///
/// # Safety
/// Every pattern of bits must be a value of the type, and it must have no padding.
#[doc(hidden)]
pub unsafe trait Raw: Copy {}

// SAFETY: what `Pod` says of itself.
unsafe impl<T: crate::Pod> Raw for T {}

macro_rules! itself {
    ($($t:ty),*) => { $(
        impl Scalar for $t {
            type Raw = $t;
            #[inline(always)]
            fn from_raw(raw: $t) -> $t {
                raw
            }
        }
    )* };
}

itself!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);

/// What all scalars are: elements of arrays, ends of paths.
macro_rules! uses {
    ($($t:ty),*) => { $(
        impl Step for $t {
            type Out = $t;
            #[inline(always)]
            fn step(self) -> Result<$t, c_long> {
                Ok(self)
            }
        }

        impl<M: Mode> Element<M> for $t {
            type Out = M::Value<$t>;
            #[inline(always)]
            fn at(place: M::Place) -> M::Value<$t> {
                M::value_here(place)
            }
        }
    )* };
}

uses!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool
);

impl<T: crate::Pod, const N: usize> Step for [T; N] {
    type Out = [T; N];
    #[inline(always)]
    fn step(self) -> Result<[T; N], c_long> {
        Ok(self)
    }
}

impl<T: crate::Pod, const N: usize> Scalar for [T; N] {
    type Raw = [T; N];
    #[inline(always)]
    fn from_raw(raw: [T; N]) -> [T; N] {
        raw
    }
}

impl Scalar for bool {
    type Raw = u8;
    #[inline(always)]
    fn from_raw(raw: u8) -> bool {
        raw != 0
    }
}

macro_rules! pointers {
    ($($t:ty),*) => {
        $(
            impl Scalar for *const $t {
                type Raw = usize;
                #[inline(always)]
                fn from_raw(raw: usize) -> *const $t {
                    raw as *const $t
                }
            }
        )*
        uses!($(*const $t),*);
    };
}

// Pointers to what has no handle: addresses.
pointers!(
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    bool,
    c_void,
    *const c_void
);
