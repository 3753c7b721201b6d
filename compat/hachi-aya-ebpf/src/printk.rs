//! The kernel's own way to print.

use core::ffi::CStr;

use hachi_ebpf::{
    cty::{c_int, c_long},
    helpers::{bpf_trace_printk, bpf_trace_vprintk},
};

/// Prints to `/sys/kernel/tracing/trace_pipe`, with the placeholders of the kernel's printk. The
/// format is a C string, a byte string or a string; arguments are integers, characters or pointers,
/// up to three or (5.16) up to twelve.
#[macro_export]
macro_rules! bpf_printk {
    ($format:expr $(, $arg:expr)* $(,)?) => {{
        const TEXT: &[u8] = $crate::helpers::Format($format).bytes();
        const FORMAT: [u8; TEXT.len() + 1] = $crate::helpers::terminated(TEXT);
        $crate::helpers::print(&FORMAT, [$($crate::helpers::PrintkArg::from($arg)),*])
    }};
}

/// What a format is written as.
#[doc(hidden)]
pub struct Format<T>(pub T);

impl Format<&'static CStr> {
    pub const fn bytes(self) -> &'static [u8] {
        self.0.to_bytes()
    }
}

impl<const N: usize> Format<&'static [u8; N]> {
    pub const fn bytes(self) -> &'static [u8] {
        match CStr::from_bytes_until_nul(self.0) {
            Ok(text) => text.to_bytes(),
            Err(_) => self.0,
        }
    }
}

impl Format<&'static str> {
    pub const fn bytes(self) -> &'static [u8] {
        self.0.as_bytes()
    }
}

/// The text with a NUL; `N` is one more than its length.
#[doc(hidden)]
pub const fn terminated<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut terminated = [0; N];
    let mut at = 0;
    while at < text.len() {
        terminated[at] = text[at];
        at += 1;
    }
    terminated
}

/// Prints.
///
/// # Safety
/// None is needed; Aya's macro is `unsafe`.
#[doc(hidden)]
#[inline(always)]
pub unsafe fn print<const N: usize>(format: &'static [u8], args: [PrintkArg; N]) -> c_int {
    let text = format.as_ptr().cast();
    let length = format.len() as u32;
    let arg = |at: usize| args.get(at).map_or(0, |arg| arg.0);
    // SAFETY: the format is readable and ends with a NUL, the arguments are readable.
    let result: c_long = unsafe {
        match N {
            0..=3 => bpf_trace_printk(text, length, arg(0), arg(1), arg(2)),
            _ => bpf_trace_vprintk(
                text,
                length,
                args.as_ptr().cast(),
                size_of_val(&args) as u32,
            ),
        }
    };
    result as c_int
}

/// An argument of [`bpf_printk!`](crate::bpf_printk).
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct PrintkArg(u64);

macro_rules! integers {
    ($($t:ty)*) => { $(
        impl From<$t> for PrintkArg {
            #[inline(always)]
            fn from(value: $t) -> Self {
                PrintkArg(value as u64)
            }
        }
    )* };
}

integers! { u8 u16 u32 u64 usize i8 i16 i32 i64 isize bool char }

impl<T> From<*const T> for PrintkArg {
    #[inline(always)]
    fn from(value: *const T) -> Self {
        PrintkArg(value as u64)
    }
}

impl<T> From<*mut T> for PrintkArg {
    #[inline(always)]
    fn from(value: *mut T) -> Self {
        PrintkArg(value as u64)
    }
}
