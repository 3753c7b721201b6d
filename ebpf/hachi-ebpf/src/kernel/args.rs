//! Arguments of the kernel's functions and tracepoints.

use super::{Handle, Mode};
use crate::cty::{c_long, c_void};

/// A type that an argument of a kernel function can be taken as: an integer, `bool`, a pointer, or
/// a handle (in an `Option`, a null pointer is `None`). The name is Aya's.
///
/// A `Result<T, c_long>` is one, too, for what functions return: `Err` is what the kernel counts
/// as an error, -4095 to -1 (`IS_ERR_VALUE` in `linux/err.h`), as a number or as a pointer.
pub trait Argument {
    /// The argument, from the register that holds it.
    #[doc(hidden)]
    fn from_argument(register: u64) -> Self;

    /// The register as a signed number, of which only the bytes count that hold the argument.
    #[doc(hidden)]
    #[inline(always)]
    fn signed(register: u64) -> i64 {
        register as i64
    }
}

/// The largest `errno` that the kernel hides in a result: `MAX_ERRNO`.
const MAX_ERRNO: i64 = 4095;

impl<T: Argument> Argument for Result<T, c_long> {
    #[inline(always)]
    fn from_argument(register: u64) -> Self {
        let number = T::signed(register);
        if (-MAX_ERRNO..0).contains(&number) {
            Err(number)
        } else {
            Ok(T::from_argument(register))
        }
    }
}

macro_rules! integers {
    ($($t:ty: $signed:ty),*) => { $(
        impl Argument for $t {
            #[inline(always)]
            fn from_argument(register: u64) -> $t {
                register as $t
            }

            #[inline(always)]
            fn signed(register: u64) -> i64 {
                register as $signed as i64
            }
        }
    )* };
}

// An error needs 13 bits: C returns what is narrower as an `int`.
integers! {
    u8: i32, u16: i32, u32: i32, u64: i64, usize: i64,
    i8: i32, i16: i32, i32: i32, i64: i64, isize: i64
}

impl Argument for bool {
    #[inline(always)]
    fn from_argument(register: u64) -> bool {
        // Only the low byte is the argument's.
        register as u8 != 0
    }

    /// It says yes or no, and no error.
    #[inline(always)]
    fn signed(register: u64) -> i64 {
        i64::from(register as u8)
    }
}

/// The address; reading there is `unsafe`.
impl<T> Argument for *const T {
    #[inline(always)]
    fn from_argument(register: u64) -> *const T {
        register as usize as *const T
    }
}

/// The address; reading there is `unsafe`.
impl<T> Argument for *mut T {
    #[inline(always)]
    fn from_argument(register: u64) -> *mut T {
        register as usize as *mut T
    }
}

impl<H: Handle<Mode: Mode<Place = *const c_void>>> Argument for H {
    #[inline(always)]
    fn from_argument(register: u64) -> H {
        H::from_place(register as usize as *const c_void)
    }
}

impl<H: Handle<Mode: Mode<Place = *const c_void>>> Argument for Option<H> {
    #[inline(always)]
    fn from_argument(register: u64) -> Option<H> {
        let handle = H::from_argument(register);
        (!handle.is_null()).then_some(handle)
    }
}

/// An argument of a function that the kernel calls with an array of them.
///
/// # Safety
/// `context` must be what the kernel called the program with.
#[doc(hidden)]
#[inline(always)]
pub unsafe fn argument_at<T: Argument>(context: *const u64, number: usize) -> T {
    // SAFETY: the verifier checks the bounds. Volatile because several loads must not become one
    // with a variable number.
    T::from_argument(unsafe { context.add(number).read_volatile() })
}

/// What a function may return to the kernel: nothing, an integer, `bool`, an enum, or a handle.
pub trait Outcome {
    #[doc(hidden)]
    fn into_register(self) -> u64;
}

macro_rules! outcomes {
    ($($t:ty),*) => { $(
        impl Outcome for $t {
            #[inline(always)]
            fn into_register(self) -> u64 {
                self as u64
            }
        }
    )* };
}

outcomes!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, bool);

impl Outcome for () {
    #[inline(always)]
    fn into_register(self) -> u64 {
        0
    }
}

impl<H: Handle<Mode: Mode<Place = *const c_void>>> Outcome for H {
    #[inline(always)]
    fn into_register(self) -> u64 {
        self.as_ptr() as usize as u64
    }
}

/// A context that holds arguments of a kernel function. What a function declared in
/// [`kernel_types!`](crate::kernel_types) takes its arguments from.
pub trait Source {
    /// How handles among the arguments read.
    type Mode: Mode<Place = *const c_void>;
    #[doc(hidden)]
    fn register(&self, number: usize) -> u64;
}

/// A context that holds what a kernel function returned as well.
pub trait SourceOfResult: Source {
    /// What the function returned; `arguments` is how many it takes.
    #[doc(hidden)]
    fn result(&self, arguments: usize) -> u64;
}
