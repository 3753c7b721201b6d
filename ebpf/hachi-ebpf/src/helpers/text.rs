//! Text: comparing, reading numbers, formatting.

use core::ffi::CStr;

use super::{check, generated};
use crate::cty::c_long;
use crate::errno::EINVAL;

/// Compares `s1`, up to its NUL or end, with `s2`: less than, equal to, or greater than 0 (5.17).
///
/// `s2` must be a literal (`c"text"`): the verifier wants to know it. An empty `s1` equals all.
#[inline(always)]
pub fn bpf_strncmp(s1: &[u8], s2: &'static CStr) -> c_long {
    // The helper takes no empty text.
    if s1.is_empty() {
        return 0;
    }
    // SAFETY: the one is readable for its length, the other ends with a NUL.
    unsafe { generated::bpf_strncmp(s1.as_ptr().cast(), s1.len() as u32, s2.as_ptr().cast()) }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident -> $number:ty;)*) => { $(
        $(#[$doc])*
        #[inline(always)]
        pub fn $name(text: &[u8], base: u64) -> Result<($number, usize), c_long> {
            // The helper takes no empty text.
            if text.is_empty() {
                return Err(-EINVAL);
            }
            let mut number = 0;
            let (start, length) = (text.as_ptr().cast(), text.len() as u64);
            // SAFETY: the text is readable for its length.
            let taken = unsafe { generated::$name(start, length, base, &raw mut number) };
            check(taken)?;
            Ok((number, taken as usize))
        }
    )* };
}

numbers! {
    /// The number at the beginning of `text`, and how many bytes it takes there (5.2; in all kinds
    /// of programs 5.10). `base` is 8, 10, 16, or 0 for what the text's beginning says.
    ///
    /// # Errors
    /// `-EINVAL` when there is no number, `-ERANGE` when it is too large.
    bpf_strtol -> i64;

    /// As [`bpf_strtol`], for a number without a sign.
    ///
    /// # Errors
    /// As [`bpf_strtol`].
    bpf_strtoul -> u64;
}

/// Writes text into a byte array, with the placeholders of the kernel's printk, and gives its
/// length with the NUL, as a `Result<usize, c_long>`; more than the array holds is left out (5.13).
///
/// ```
/// use hachi_ebpf::bpf_snprintf;
///
/// fn name(cpu: u32) -> [u8; 16] {
///     let mut name = [0u8; 16];
///     let _ = bpf_snprintf!(&mut name, "cpu%u", cpu);
///     name
/// }
/// ```
/// Arguments are at most twelve integers, or addresses for `%s`, `%pB` and their like.
#[macro_export]
macro_rules! bpf_snprintf {
    ($buffer:expr, $format:literal $(, $arg:expr)* $(,)?) => {{
        const FORMAT: &str = concat!($format, "\0");
        let buffer: &mut [u8] = $buffer;
        #[allow(clippy::unnecessary_cast, reason = "the arguments may be of any integer type")]
        let mut arguments: [u64; <[&str]>::len(&[$(::core::stringify!($arg)),*])] =
            [$($arg as u64),*];
        $crate::helpers::__snprintf(buffer, FORMAT, &mut arguments)
    }};
}

#[doc(hidden)]
#[inline(always)]
pub fn __snprintf(
    buffer: &mut [u8],
    format: &'static str,
    arguments: &mut [u64],
) -> Result<usize, c_long> {
    // SAFETY: the buffer is writable, the arguments are readable for their lengths, and the format
    // ends with a NUL.
    let length = unsafe {
        generated::bpf_snprintf(
            buffer.as_mut_ptr().cast(),
            buffer.len() as u32,
            format.as_ptr().cast(),
            arguments.as_mut_ptr(),
            size_of_val(arguments) as u32,
        )
    };
    check(length)?;
    Ok(length as usize)
}
