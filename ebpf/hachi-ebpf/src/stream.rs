//! Streams: text that a program writes, and that stays with it until somebody reads it.
//!
//! A test that runs the program natively sees it as text of `bpf_trace_vprintk` (in kernels since
//! Linux 5.16).

use crate::cty::{c_char, c_long, c_void};
use crate::helpers;
#[cfg(hachi_bpf)]
use crate::kernel::first_kfunc;

/// Writes text to a stream of the program: 1 is its standard output, 2 its standard error, where
/// the kernel writes as well (`bpftool prog tracelog stdout id N` shows it; 6.17). Placeholders are
/// those of the kernel's printk, arguments at most twelve integers, or addresses for `%s` and the
/// like.
///
/// ```
/// fn report(cpu: u32) {
///     let _ = hachi_ebpf::bpf_stream_printk!(1, "on cpu %u\n", cpu);
/// }
/// ```
/// Gives a `Result<(), c_long>`: `-ENOSPC` when the stream is full (100000 bytes), `-ENOSYS` where
/// the kernel has no streams: the program loads there nevertheless.
#[macro_export]
macro_rules! bpf_stream_printk {
    ($stream:expr, $format:literal $(, $arg:expr)* $(,)?) => {{
        const FORMAT: &str = concat!($format, "\0");
        #[allow(clippy::unnecessary_cast, reason = "the arguments may be of any integer type")]
        // One more than there are: the kernel wants an address in any case.
        let arguments = [$($arg as u64,)* 0_u64];
        $crate::__stream_print($stream, FORMAT, &arguments)
    }};
}

/// The kernel's function, in the three forms it had: 6.17, 6.18, 7.0.
#[doc(hidden)]
#[inline(always)]
pub fn __stream_print(stream: i32, format: &'static str, arguments: &[u64]) -> Result<(), c_long> {
    let size = size_of_val(arguments) as u32;
    let format: *const c_char = format.as_ptr().cast();
    let arguments: *const c_void = arguments.as_ptr().cast();
    #[cfg(hachi_bpf)]
    {
        let aux: *const c_void = core::ptr::null();
        // SAFETY: the format ends with a NUL, the arguments are readable for their size.
        let result = first_kfunc!(
            "bpf_stream_vprintk_impl:fn(i32, *c_char, *void, u32, *void) -> i32"
            (
                stream: i32,
                format: *const c_char,
                arguments: *const c_void,
                size: u32,
                aux: *const c_void
            ),
            "bpf_stream_vprintk___before_7_0:fn(i32, *c_char, *void, u32, *void) -> i32"
            (
                stream: i32,
                format: *const c_char,
                arguments: *const c_void,
                size: u32,
                aux: *const c_void
            ),
            "bpf_stream_vprintk:fn(i32, *c_char, *void, u32) -> i32"
            (stream: i32, format: *const c_char, arguments: *const c_void, size: u32),
            => i32);
        helpers::check_found(result)
    }
    #[cfg(not(hachi_bpf))]
    {
        let _ = stream;
        // SAFETY: the format ends with a NUL, the arguments are readable for their size.
        helpers::check(unsafe {
            let len = core::ffi::CStr::from_ptr(format.cast()).count_bytes();
            helpers::bpf_trace_vprintk(format, len as u32, arguments, size)
        })
    }
}
