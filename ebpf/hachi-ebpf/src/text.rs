//! Text that ends with a NUL, searched and compared by the kernel (6.17).
//!
//! The kernel's functions (`bpf_strcmp` and so on, `kernel/bpf/helpers.c`) cost the verifier
//! nothing, however long the text is. They read kernel memory, wherever it is, and give an error
//! where nothing is mapped: `-EFAULT`. Text in user memory is `-ERANGE`, text without an end within
//! 64 KiB `-E2BIG`.
//!
//! ```
//! use hachi_ebpf::{EbpfContext, text::{Text, contains}};
//!
//! /// Whether the thread that runs is one of some shell's.
//! fn is_shell(ctx: &impl EbpfContext) -> Result<bool, i64> {
//!     let mut name = ctx.command()?;
//!     contains(Text::of(&mut name), c"sh")
//! }
//! ```

use core::cmp::Ordering;
use core::ffi::CStr;
use core::marker::PhantomData;

use crate::cty::{c_char, c_long};
use crate::helpers;

/// A text that ends with a NUL: a literal (`c"text"`), a buffer, or text of the kernel's.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    start: *const c_char,
    of: PhantomData<&'a [u8]>,
}

impl<'a> From<&'a CStr> for Text<'a> {
    #[inline(always)]
    fn from(text: &'a CStr) -> Self {
        Text::at(text.as_ptr().cast())
    }
}

impl<'a> Text<'a> {
    /// The text at the beginning of a buffer: up to a NUL, of which one is put at the buffer's end.
    #[inline(always)]
    pub const fn of<const N: usize>(buffer: &'a mut [u8; N]) -> Self {
        const { assert!(N > 0, "there is no room for a NUL") };
        buffer[N - 1] = 0;
        Text::at(buffer.as_ptr().cast())
    }

    /// The text at an address of the kernel's, which need not be a good one.
    #[inline(always)]
    pub const fn at(start: *const c_char) -> Self {
        Text {
            start,
            of: PhantomData,
        }
    }
}

/// "No such file or directory": what is looked for is not there.
const ENOENT: c_long = -crate::errno::ENOENT;

/// A length or place, or an error.
#[inline(always)]
fn place(result: i32) -> Result<usize, c_long> {
    helpers::check(result.into())?;
    Ok(result as usize)
}

/// A place, or that there is none.
#[inline(always)]
fn found(result: i32) -> Result<Option<usize>, c_long> {
    match place(result) {
        Ok(at) => Ok(Some(at)),
        Err(ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which text comes first (`-1`, `0`, `1`), or an error.
#[inline(always)]
fn order(result: i32) -> Result<Ordering, c_long> {
    match result {
        -1 => Ok(Ordering::Less),
        0 => Ok(Ordering::Equal),
        1 => Ok(Ordering::Greater),
        error => Err(error.into()),
    }
}

/// Which of two texts comes first, by the numbers of their bytes (`bpf_strcmp`, 6.17).
///
/// # Errors
/// See [the module](self).
#[inline(always)]
pub fn compare<'a>(a: impl Into<Text<'a>>, b: impl Into<Text<'a>>) -> Result<Ordering, c_long> {
    order(kfuncs::strcmp(a.into().start, b.into().start))
}

/// As [`compare`], with ASCII letters taken for small ones (`bpf_strcasecmp`, 6.18).
///
/// # Errors
/// See [the module](self).
#[inline(always)]
pub fn compare_ignoring_case<'a>(
    a: impl Into<Text<'a>>,
    b: impl Into<Text<'a>>,
) -> Result<Ordering, c_long> {
    order(kfuncs::strcasecmp(a.into().start, b.into().start))
}

/// How many bytes the text has (`bpf_strlen`, 6.17).
///
/// # Errors
/// See [the module](self).
#[inline(always)]
pub fn length<'a>(text: impl Into<Text<'a>>) -> Result<usize, c_long> {
    place(kfuncs::strlen(text.into().start))
}

/// How many bytes there are before a NUL or the end of `bytes` (`bpf_strnlen`, 6.17).
///
/// # Errors
/// `-E2BIG` beyond 64 KiB.
#[inline(always)]
pub fn length_within(bytes: &[u8]) -> Result<usize, c_long> {
    place(kfuncs::strnlen(bytes.as_ptr().cast(), bytes.len() as u64))
}

/// Where the first `byte` is (`bpf_strchr`, 6.17); `None` when there is none.
///
/// # Errors
/// See [the module](self).
#[inline(always)]
pub fn find_byte<'a>(text: impl Into<Text<'a>>, byte: u8) -> Result<Option<usize>, c_long> {
    found(kfuncs::strchr(text.into().start, byte))
}

/// Where the last `byte` is (`bpf_strrchr`, 6.17); `None` when there is none.
///
/// # Errors
/// See [the module](self).
#[inline(always)]
pub fn find_last_byte<'a>(text: impl Into<Text<'a>>, byte: u8) -> Result<Option<usize>, c_long> {
    found(kfuncs::strrchr(text.into().start, byte.into()))
}

/// Where the first `byte` is before a NUL or the end of `bytes` (`bpf_strnchr`, 6.17); `None` when
/// there is none.
///
/// # Errors
/// `-E2BIG` beyond 64 KiB.
#[inline(always)]
pub fn find_byte_within(bytes: &[u8], byte: u8) -> Result<Option<usize>, c_long> {
    found(kfuncs::strnchr(
        bytes.as_ptr().cast(),
        bytes.len() as u64,
        byte,
    ))
}

/// Where `part` is in the text for the first time (`bpf_strstr`, 6.17); `None` when it is not.
///
/// # Errors
/// See [the module](self).
#[inline(always)]
pub fn find<'a>(
    text: impl Into<Text<'a>>,
    part: impl Into<Text<'a>>,
) -> Result<Option<usize>, c_long> {
    found(kfuncs::strstr(text.into().start, part.into().start))
}

/// Whether `part` is in the text (`bpf_strstr`, 6.17).
///
/// # Errors
/// See [the module](self).
#[inline(always)]
pub fn contains<'a>(text: impl Into<Text<'a>>, part: impl Into<Text<'a>>) -> Result<bool, c_long> {
    Ok(find(text, part)?.is_some())
}

/// How many bytes at the beginning of the text are in `set` (`bpf_strspn`, 6.17).
///
/// # Errors
/// See [the module](self).
#[inline(always)]
pub fn span<'a>(text: impl Into<Text<'a>>, set: impl Into<Text<'a>>) -> Result<usize, c_long> {
    place(kfuncs::strspn(text.into().start, set.into().start))
}

/// How many bytes at the beginning of the text are not in `set` (`bpf_strcspn`, 6.17).
///
/// # Errors
/// See [the module](self).
#[inline(always)]
pub fn span_without<'a>(
    text: impl Into<Text<'a>>,
    set: impl Into<Text<'a>>,
) -> Result<usize, c_long> {
    place(kfuncs::strcspn(text.into().start, set.into().start))
}

/// The kernel's functions, which read any address.
macro_rules! kfuncs {
    ($($name:ident = $symbol:literal ($($param:ident: $type:ty),*);)*) => {
        #[cfg(hachi_bpf)]
        mod kfuncs {
            use crate::cty::c_char;

            $(
                #[inline(always)]
                pub fn $name($($param: $type),*) -> i32 {
                    crate::__call_kfunc!([safe] $symbol, ($($param: $type),*) i32)
                }
            )*
        }

        /// Without a kernel they are not there.
        #[cfg(all(not(hachi_bpf), not(feature = "test")))]
        mod kfuncs {
            use crate::{cty::c_char, helpers};

            $(
                pub fn $name($($param: $type),*) -> i32 {
                    let _ = ($($param),*);
                    helpers::absent() as i32
                }
            )*
        }
    };
}

kfuncs! {
    strcmp = "kfunc:bpf_strcmp:fn(*c_char, *c_char) -> i32" (a: *const c_char, b: *const c_char);
    strcasecmp = "kfunc:bpf_strcasecmp:fn(*c_char, *c_char) -> i32"
        (a: *const c_char, b: *const c_char);
    strlen = "kfunc:bpf_strlen:fn(*c_char) -> i32" (text: *const c_char);
    strnlen = "kfunc:bpf_strnlen:fn(*c_char, u64) -> i32" (text: *const c_char, count: u64);
    strchr = "kfunc:bpf_strchr:fn(*c_char, c_char) -> i32" (text: *const c_char, byte: u8);
    strrchr = "kfunc:bpf_strrchr:fn(*c_char, i32) -> i32" (text: *const c_char, byte: i32);
    strnchr = "kfunc:bpf_strnchr:fn(*c_char, u64, c_char) -> i32"
        (text: *const c_char, count: u64, byte: u8);
    strstr = "kfunc:bpf_strstr:fn(*c_char, *c_char) -> i32"
        (text: *const c_char, part: *const c_char);
    strspn = "kfunc:bpf_strspn:fn(*c_char, *c_char) -> i32"
        (text: *const c_char, set: *const c_char);
    strcspn = "kfunc:bpf_strcspn:fn(*c_char, *c_char) -> i32"
        (text: *const c_char, set: *const c_char);
}

/// What a test has in their place.
#[cfg(all(not(hachi_bpf), feature = "test"))]
use crate::test::text as kfuncs;
