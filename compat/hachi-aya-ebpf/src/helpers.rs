//! The kernel's helper functions, by their names.
//!
//! Those here differ from Hachi's in their errors or arguments; all others are Hachi's.

use core::{cmp::Ordering, ffi::CStr};

use hachi_ebpf::helpers as hachi;

pub use hachi_ebpf::helpers::*;
pub use hachi_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid, generated};

use crate::check;

#[doc(hidden)]
pub use crate::printk::{Format, print, terminated};
pub use crate::{bpf_printk, printk::PrintkArg};

/// The longest name of a thread, with its NUL.
pub const TASK_COMM_LEN: usize = 16;

/// The current thread's name, with zeros after it.
///
/// # Errors
/// `-EINVAL` outside of any thread.
#[inline(always)]
pub fn bpf_get_current_comm() -> Result<[u8; TASK_COMM_LEN], i32> {
    hachi::bpf_get_current_comm().map_err(|error| error as i32)
}

macro_rules! reads {
    ($($what:literal: $value:ident $buf:ident $str:ident $bytes:ident;)*) => { $(
        #[doc = concat!("Copies a value from ", $what, ".")]
        ///
        /// # Safety
        /// The bytes at `src` must make a `T`.
        ///
        /// # Errors
        /// `-EFAULT` where nothing is mapped.
        #[inline(always)]
        pub unsafe fn $value<T>(src: *const T) -> Result<T, i32> {
            // SAFETY: the caller's promise.
            unsafe { hachi::$value(src) }.map_err(|error| error as i32)
        }

        #[doc = concat!("Fills `dst` from ", $what, ".")]
        ///
        /// # Safety
        /// None is needed.
        ///
        /// # Errors
        /// `-EFAULT` where nothing is mapped.
        #[inline(always)]
        pub unsafe fn $buf(src: *const u8, dst: &mut [u8]) -> Result<(), i32> {
            // SAFETY: the kernel checks the source.
            unsafe { hachi::$buf(src, dst) }.map_err(|error| error as i32)
        }

        #[doc = concat!("Copies a string from ", $what, "; gives its length with its NUL.")]
        ///
        /// # Safety
        /// None is needed.
        ///
        /// # Errors
        /// `-EFAULT` where nothing is mapped.
        #[inline(always)]
        pub unsafe fn $str(src: *const u8, dest: &mut [u8]) -> Result<usize, i32> {
            // SAFETY: the destination is writable for its length; the kernel checks the source.
            let length = unsafe {
                hachi::generated::$str(dest.as_mut_ptr().cast(), dest.len() as u32, src.cast())
            };
            check(length)?;
            // The verifier knows the end of the number, not that of the buffer.
            Ok((length as usize).min(dest.len()))
        }

        #[doc = concat!("Copies a string from ", $what, "; gives it without its NUL.")]
        ///
        /// # Safety
        /// None is needed.
        ///
        /// # Errors
        /// `-EFAULT` where nothing is mapped.
        #[inline(always)]
        pub unsafe fn $bytes(src: *const u8, dest: &mut [u8]) -> Result<&[u8], i32> {
            // SAFETY: the kernel checks the source.
            unsafe { hachi::$bytes(src, dest) }.map_err(|error| error as i32)
        }
    )* };
}

reads! {
    "any memory": bpf_probe_read bpf_probe_read_buf bpf_probe_read_str bpf_probe_read_str_bytes;
    "the kernel's memory": bpf_probe_read_kernel bpf_probe_read_kernel_buf
        bpf_probe_read_kernel_str bpf_probe_read_kernel_str_bytes;
    "user memory": bpf_probe_read_user bpf_probe_read_user_buf bpf_probe_read_user_str
        bpf_probe_read_user_str_bytes;
}

/// Overwrites user memory of the current thread.
///
/// # Safety
/// Both point to a `T`. What another program finds changed is the caller's business.
///
/// # Errors
/// `-EFAULT` where nothing is mapped, `-EPERM` for the memory of the kernel's threads.
#[inline(always)]
pub unsafe fn bpf_probe_write_user<T>(dst: *mut T, src: *const T) -> Result<(), i32> {
    // SAFETY: the source is readable by the caller's promise; the kernel checks the destination.
    check(unsafe {
        hachi::generated::bpf_probe_write_user(dst.cast(), src.cast(), size_of::<T>() as u32)
    })
}

/// Compares `s1`, up to its NUL or end, with `s2`, a literal (5.17).
#[inline(always)]
pub fn bpf_strncmp<const N: usize>(s1: &[u8; N], s2: &CStr) -> Ordering {
    // SAFETY: the one is readable for its length, the other ends with a NUL.
    let order =
        unsafe { hachi::generated::bpf_strncmp(s1.as_ptr().cast(), N as u32, s2.as_ptr().cast()) };
    order.cmp(&0)
}
