//! How handles read.

use core::mem::MaybeUninit;

use super::{Ask, Handle, Scalar, Step};
use crate::cty::{c_long, c_void};
use crate::helpers;

/// How a handle reads: [`Direct`] or [`Probed`]. (A third kind only asks questions; it is what
/// [`field_offset!`](crate::field_offset) uses.)
///
/// The methods are for the code that [`kernel_types!`](crate::kernel_types) writes.
pub trait Mode: Copy + 'static {
    /// What a handle holds.
    #[doc(hidden)]
    type Place: Copy;
    /// What a field of type `T` gives.
    type Value<T: Scalar>: Step<Out = T>;
    /// What a field gives that is a pointer to something with handles of type `H`.
    type Pointer<H: Handle<Mode = Self>>: Step<Out = H>;

    #[doc(hidden)]
    fn value<T: Scalar>(at: Self::Place, ask: impl Fn(Ask) -> u64) -> Self::Value<T>;
    #[doc(hidden)]
    fn bits<T: Bits>(at: Self::Place, ask: impl Fn(Ask) -> u64) -> Self::Value<T>;
    #[doc(hidden)]
    fn pointer<H: Handle<Mode = Self>>(
        at: Self::Place,
        ask: impl Fn(Ask) -> u64,
    ) -> Self::Pointer<H>;
    /// The place of an embedded structure that has a name.
    #[doc(hidden)]
    fn embedded(at: Self::Place, ask: impl Fn(Ask) -> u64) -> Self::Place;
    /// The place from which the fields of an embedded structure without a name are found: that of
    /// the structure around it.
    #[doc(hidden)]
    fn within(at: Self::Place, ask: impl Fn(Ask) -> u64) -> Self::Place;
    /// The distance between the elements of an array of structures.
    #[doc(hidden)]
    #[inline(always)]
    fn stride(ask: impl Fn(Ask) -> u64) -> u64 {
        ask(Ask::Stride)
    }
    #[doc(hidden)]
    fn element(at: Self::Place, index: usize, stride: u64) -> Self::Place;
    #[doc(hidden)]
    fn value_here<T: Scalar>(at: Self::Place) -> Self::Value<T>;
    #[doc(hidden)]
    fn pointer_here<H: Handle<Mode = Self>>(at: Self::Place) -> Self::Pointer<H>;
}

/// Reads by load instructions, through a pointer that the verifier follows.
///
/// A null pointer on the way reads as zeroes: the kernel handles the fault.
#[derive(Clone, Copy, Debug)]
pub enum Direct {}

/// Reads by `bpf_probe_read_kernel` (5.5), through any pointer.
#[derive(Clone, Copy, Debug)]
pub enum Probed {}

/// An integer or `bool` that can be a bit field.
pub trait Bits: Scalar {
    /// The value, from all bits of a register shifted to the left end and back.
    #[doc(hidden)]
    fn from_bits(at_left_end: u64, shift: u64) -> Self;
}

macro_rules! bits {
    ($($t:ty: $wide:ty),*) => { $(
        impl Bits for $t {
            #[inline(always)]
            fn from_bits(at_left_end: u64, shift: u64) -> $t {
                // The sign, if there is one, comes along.
                (at_left_end as $wide).wrapping_shr(shift as u32) as $t
            }
        }
    )* };
}

bits!(u8: u64, u16: u64, u32: u64, u64: u64, i8: i64, i16: i64, i32: i64, i64: i64);

impl Bits for bool {
    #[inline(always)]
    fn from_bits(at_left_end: u64, _shift: u64) -> bool {
        at_left_end != 0
    }
}

/// The sum of a pointer and an offset that the verifier will know as a number.
#[inline(always)]
fn add(at: *const c_void, offset: u64) -> *const c_void {
    at.wrapping_byte_add(offset as usize)
}

/// Loads a value.
#[inline(always)]
fn load<T: Scalar>(at: *const c_void) -> T {
    #[cfg(hachi_bpf)]
    // SAFETY: the verifier refuses a load from anything but memory it knows to be readable, or
    // whose faults the kernel handles; all bytes make a `Raw`. Volatile because others write there.
    return T::from_raw(unsafe { at.cast::<T::Raw>().read_volatile() });
    #[cfg(not(hachi_bpf))]
    {
        let _ = at;
        // SAFETY: all bytes make a `Raw`.
        T::from_raw(unsafe { core::mem::zeroed() })
    }
}

/// Copies a value with the kernel's help.
#[inline(always)]
fn probe<T: Scalar>(at: *const c_void) -> Result<T, c_long> {
    let mut value = MaybeUninit::<T::Raw>::uninit();
    // SAFETY: the destination is writable for the size given; the kernel checks the source.
    let result = unsafe {
        helpers::generated::bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T::Raw>() as u32,
            at,
        )
    };
    helpers::check(result)?;
    // SAFETY: the helper has written all bytes, and all bytes make a `Raw`.
    Ok(T::from_raw(unsafe { value.assume_init() }))
}

/// What the modes that read have in common: they do it at addresses.
macro_rules! places_are_addresses {
    () => {
        type Place = *const c_void;

        #[inline(always)]
        fn embedded(at: *const c_void, ask: impl Fn(Ask) -> u64) -> *const c_void {
            add(at, ask(Ask::Offset))
        }

        #[inline(always)]
        fn within(at: *const c_void, _ask: impl Fn(Ask) -> u64) -> *const c_void {
            at
        }

        #[inline(always)]
        fn element(at: *const c_void, index: usize, stride: u64) -> *const c_void {
            add(at, index as u64 * stride)
        }
    };
}

impl Mode for Direct {
    places_are_addresses!();

    type Value<T: Scalar> = T;
    type Pointer<H: Handle<Mode = Self>> = Option<H>;

    #[inline(always)]
    fn value<T: Scalar>(at: *const c_void, ask: impl Fn(Ask) -> u64) -> T {
        load(add(at, ask(Ask::Offset)))
    }

    #[inline(always)]
    fn bits<T: Bits>(at: *const c_void, ask: impl Fn(Ask) -> u64) -> T {
        let at = add(at, ask(Ask::Offset));
        // The verifier knows the answer, and removes three of the four.
        let unit = match ask(Ask::Size) {
            1 => load::<u8>(at).into(),
            2 => load::<u16>(at).into(),
            4 => load::<u32>(at).into(),
            _ => load::<u64>(at),
        };
        let left = unit.wrapping_shl(ask(Ask::LeftShift) as u32);
        T::from_bits(left, ask(Ask::RightShift))
    }

    #[inline(always)]
    fn pointer<H: Handle<Mode = Self>>(at: *const c_void, ask: impl Fn(Ask) -> u64) -> Option<H> {
        Self::pointer_here(add(at, ask(Ask::Offset)))
    }

    #[inline(always)]
    fn value_here<T: Scalar>(at: *const c_void) -> T {
        load(at)
    }

    #[inline(always)]
    fn pointer_here<H: Handle<Mode = Self>>(at: *const c_void) -> Option<H> {
        let pointer: *const c_void = load(at);
        (!pointer.is_null()).then(|| H::from_place(pointer))
    }
}

impl Mode for Probed {
    places_are_addresses!();

    type Value<T: Scalar> = Result<T, c_long>;
    type Pointer<H: Handle<Mode = Self>> = Result<H, c_long>;

    #[inline(always)]
    fn value<T: Scalar>(at: *const c_void, ask: impl Fn(Ask) -> u64) -> Result<T, c_long> {
        probe(add(at, ask(Ask::Offset)))
    }

    #[inline(always)]
    fn bits<T: Bits>(at: *const c_void, ask: impl Fn(Ask) -> u64) -> Result<T, c_long> {
        let mut unit = 0_u64;
        let size = ask(Ask::Size);
        let to = (&raw mut unit).cast::<u8>();
        // The answers count on the loaded unit being the number's low end.
        #[cfg(target_endian = "big")]
        let to = to.wrapping_add(8 - size as usize);
        // SAFETY: a unit has at most 8 bytes, which the verifier checks; and the kernel checks the
        // source.
        let result = unsafe {
            helpers::generated::bpf_probe_read_kernel(
                to.cast(),
                size as u32,
                add(at, ask(Ask::Offset)),
            )
        };
        helpers::check(result)?;
        let left = unit.wrapping_shl(ask(Ask::LeftShift) as u32);
        Ok(T::from_bits(left, ask(Ask::RightShift)))
    }

    #[inline(always)]
    fn pointer<H: Handle<Mode = Self>>(
        at: *const c_void,
        ask: impl Fn(Ask) -> u64,
    ) -> Result<H, c_long> {
        Self::pointer_here(add(at, ask(Ask::Offset)))
    }

    #[inline(always)]
    fn value_here<T: Scalar>(at: *const c_void) -> Result<T, c_long> {
        probe(at)
    }

    #[inline(always)]
    fn pointer_here<H: Handle<Mode = Self>>(at: *const c_void) -> Result<H, c_long> {
        probe::<*const c_void>(at).map(H::from_place)
    }
}
