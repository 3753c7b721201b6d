//! Questions about fields, asked in the same words as reading them.

use core::marker::PhantomData;

use super::{Bits, Handle, Mode, Scalar, Step};
use crate::cty::c_long;

/// "No data available".
const ENODATA: c_long = 61;

/// One question about a field.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Offset,
    Size,
    Exists,
    /// For bit fields: how far to shift what was loaded, to the left and then to the right.
    LeftShift,
    RightShift,
    /// For arrays of structures: the size of one.
    Stride,
}

/// The mode of a handle that leads nowhere: its accessors do not read, they answer. What
/// [`field_offset!`](crate::field_offset) and its like are made of.
#[derive(Clone, Copy, Debug)]
pub enum Asked<const WHAT: u8> {}

const OFFSET: u8 = 0;
const SIZE: u8 = 1;
const EXISTS: u8 = 2;

/// The mode of [`field_offset!`](crate::field_offset).
pub type Offset = Asked<OFFSET>;
/// The mode of [`field_size!`](crate::field_size).
pub type Size = Asked<SIZE>;
/// The mode of [`field_exists!`](crate::field_exists).
pub type Exists = Asked<EXISTS>;

/// Where a path stands that is only asked about.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Path {
    /// What the next step starts from.
    start: u64,
    /// The answer for the path so far.
    answer: u64,
}

/// What a path gives that is only asked about.
#[doc(hidden)]
pub trait Answer {
    fn answer(self) -> u64;
}

/// The answer about a field of type `T`.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Answered<T> {
    answer: u64,
    about: PhantomData<T>,
}

impl<T> Answer for Answered<T> {
    #[inline(always)]
    fn answer(self) -> u64 {
        self.answer
    }
}

impl<H: Handle<Mode: Mode<Place = Path>>> Answer for H {
    #[inline(always)]
    fn answer(self) -> u64 {
        self.place().answer
    }
}

impl<T> Step for Answered<T> {
    type Out = T;
    #[inline(always)]
    fn step(self) -> Result<T, c_long> {
        // There is an answer, but no value.
        Err(-ENODATA)
    }
}

impl<const WHAT: u8> Asked<WHAT> {
    /// A handle to ask about fields of its type.
    #[doc(hidden)]
    #[inline(always)]
    pub fn about<H: Handle<Mode = Self>>() -> H {
        H::from_place(Path {
            start: (WHAT == EXISTS).into(),
            answer: 0,
        })
    }

    #[inline(always)]
    fn next(at: Path, ask: impl Fn(Ask) -> u64) -> u64 {
        match WHAT {
            OFFSET => at.start + ask(Ask::Offset),
            SIZE => ask(Ask::Size),
            _ => at.start & ask(Ask::Exists),
        }
    }
}

impl<const WHAT: u8> Mode for Asked<WHAT> {
    type Place = Path;
    type Value<T: Scalar> = Answered<T>;
    type Pointer<H: Handle<Mode = Self>> = H;

    #[inline(always)]
    fn value<T: Scalar>(at: Path, ask: impl Fn(Ask) -> u64) -> Answered<T> {
        Self::value_here(Self::within(at, ask))
    }

    #[inline(always)]
    fn bits<T: Bits>(at: Path, ask: impl Fn(Ask) -> u64) -> Answered<T> {
        Self::value(at, ask)
    }

    #[inline(always)]
    fn pointer<H: Handle<Mode = Self>>(at: Path, ask: impl Fn(Ask) -> u64) -> H {
        Self::pointer_here(Self::within(at, ask))
    }

    #[inline(always)]
    fn embedded(at: Path, ask: impl Fn(Ask) -> u64) -> Path {
        let answer = Self::next(at, ask);
        Path {
            start: answer,
            answer,
        }
    }

    #[inline(always)]
    fn within(at: Path, ask: impl Fn(Ask) -> u64) -> Path {
        // The questions about what is within name the whole path themselves.
        Path {
            answer: Self::next(at, ask),
            ..at
        }
    }

    #[inline(always)]
    fn stride(ask: impl Fn(Ask) -> u64) -> u64 {
        match WHAT {
            // Where the array does not exist its elements have no size.
            EXISTS => 0,
            _ => ask(Ask::Stride),
        }
    }

    #[inline(always)]
    fn element(at: Path, index: usize, stride: u64) -> Path {
        let distance = index as u64 * stride;
        match WHAT {
            OFFSET => Path {
                start: at.start + distance,
                answer: at.answer + distance,
            },
            SIZE => Path {
                answer: stride,
                ..at
            },
            _ => at,
        }
    }

    #[inline(always)]
    fn value_here<T: Scalar>(at: Path) -> Answered<T> {
        Answered {
            answer: at.answer,
            about: PhantomData,
        }
    }

    #[inline(always)]
    fn pointer_here<H: Handle<Mode = Self>>(at: Path) -> H {
        // Behind the pointer offsets count from zero, and nothing exists if the pointer does not.
        let start = if WHAT == EXISTS { at.answer } else { 0 };
        H::from_place(Path { start, ..at })
    }
}

/// Asks a question about the field that `$subject` names.
#[cfg(hachi_bpf)]
#[doc(hidden)]
#[macro_export]
macro_rules! __ask {
    ($ask:ident, field $subject:literal) => {
        match $ask {
            $crate::kernel::Ask::Offset => $crate::__question!("field_byte_offset:", $subject),
            $crate::kernel::Ask::Size => $crate::__question!("field_byte_size:", $subject),
            $crate::kernel::Ask::Exists => $crate::__question!("field_exists:", $subject),
            _ => 0,
        }
    };
    ($ask:ident, array $subject:literal, $element:literal) => {
        match $ask {
            $crate::kernel::Ask::Stride => $crate::__question!("field_byte_size:", $element),
            _ => $crate::__ask!($ask, field $subject),
        }
    };
    ($ask:ident, bits $subject:literal) => {
        match $ask {
            $crate::kernel::Ask::LeftShift => $crate::__question!("field_lshift_u64:", $subject),
            $crate::kernel::Ask::RightShift => $crate::__question!("field_rshift_u64:", $subject),
            _ => $crate::__ask!($ask, field $subject),
        }
    };
}

/// A call that the linker turns into the answer: see `docs/core-symbols.md`.
#[cfg(hachi_bpf)]
#[doc(hidden)]
#[macro_export]
macro_rules! __question {
    ($($part:expr),*) => {{
        unsafe extern "C" {
            #[link_name = concat!("hachi:1:", $($part),*)]
            safe fn question() -> u64;
        }
        question()
    }};
}

/// On the development machine there is nothing to ask.
#[cfg(not(hachi_bpf))]
#[doc(hidden)]
#[macro_export]
macro_rules! __ask {
    ($ask:ident, $($subject:tt)*) => {{
        let _ = $ask;
        0
    }};
}

#[cfg(not(hachi_bpf))]
#[doc(hidden)]
#[macro_export]
macro_rules! __question {
    ($($part:expr),*) => {
        0_u64
    };
}
