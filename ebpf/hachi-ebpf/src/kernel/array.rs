//! Arrays in the kernel's structures.

use core::marker::PhantomData;

use super::ask::{Answer, Asked};
use super::{Handle, Mode, Scalar, Step};
use crate::cty::{c_long, c_void};
use crate::helpers::bpf_probe_read_kernel_str_bytes;

/// An array inside a structure: `N` elements that are `T`, read in the way of `M`.
///
/// `T` is a [`Scalar`], a handle (an array of structures) or [`To`] a handle (an array of
/// pointers). An array of arrays is one of all their elements. Reading beyond `N` is possible: the
/// kernel may have more elements than where the bindings were made.
#[derive(Clone, Copy)]
pub struct Array<T, const N: usize, M: Mode> {
    at: M::Place,
    stride: u64,
    elements: PhantomData<T>,
}

/// Stands for "pointer to" in the type of an array's elements.
#[derive(Clone, Copy, Debug)]
pub struct To<H>(PhantomData<H>);

/// What an array can consist of.
pub trait Element<M: Mode> {
    /// What an element gives.
    type Out;
    #[doc(hidden)]
    fn at(place: M::Place) -> Self::Out;
}

impl<T, const N: usize, M: Mode> Array<T, N, M> {
    #[doc(hidden)]
    #[inline(always)]
    pub fn new(at: M::Place, stride: u64) -> Self {
        Array {
            at,
            stride,
            elements: PhantomData,
        }
    }

    /// The number of elements where the bindings were made.
    #[inline(always)]
    #[allow(
        clippy::len_without_is_empty,
        reason = "the length is part of the type"
    )]
    pub const fn len(&self) -> usize {
        N
    }

    /// The element at `index`.
    ///
    /// For [`Direct`](super::Direct) handles the verifier must know the index: a constant, or the
    /// counter of a loop that it unrolls.
    #[inline(always)]
    pub fn get(self, index: usize) -> T::Out
    where
        T: Element<M>,
    {
        T::at(M::element(self.at, index, self.stride))
    }
}

impl<T: Scalar, const N: usize, M: Mode> Array<T, N, M>
where
    [T; N]: Scalar,
{
    /// All elements.
    #[inline(always)]
    pub fn read(self) -> M::Value<[T; N]> {
        M::value_here(self.at)
    }
}

macro_rules! strings {
    ($($t:ty),*) => { $(
        impl<const N: usize, M: Mode<Place = *const c_void>> Array<$t, N, M> {
            /// The bytes up to the first NUL or the end of `to`, in `to`; for arrays too long to be
            /// read whole (5.5).
            ///
            /// # Errors
            /// `-EFAULT` where nothing is mapped.
            #[inline(always)]
            pub fn read_str(self, to: &mut [u8]) -> Result<&[u8], c_long> {
                // SAFETY: the kernel checks the source.
                unsafe { bpf_probe_read_kernel_str_bytes(self.at.cast(), to) }
            }
        }
    )* };
}

strings!(u8, i8);

impl<M: Mode, H: Handle<Mode = M>> Element<M> for To<H> {
    type Out = M::Pointer<H>;
    #[inline(always)]
    fn at(place: M::Place) -> M::Pointer<H> {
        M::pointer_here(place)
    }
}

impl<T, const N: usize, const WHAT: u8> Answer for Array<T, N, Asked<WHAT>> {
    #[inline(always)]
    fn answer(self) -> u64 {
        Asked::<WHAT>::value_here::<u8>(self.at).answer()
    }
}

/// A path that ends at an array means all of it.
impl<T: Scalar, const N: usize, M: Mode> Step for Array<T, N, M>
where
    [T; N]: Scalar,
{
    type Out = [T; N];
    #[inline(always)]
    fn step(self) -> Result<[T; N], c_long> {
        self.read().step()
    }
}
