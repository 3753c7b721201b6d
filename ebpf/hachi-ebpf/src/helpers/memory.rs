//! Reading memory that is not the program's own, and who runs.

use core::mem::MaybeUninit;

use super::{check, generated};
use crate::Pod;
use crate::bindings::bpf_pidns_info;
use crate::cty::c_long;

/// The name of the thread that runs, with zeroes after it (4.2; GPL only).
///
/// # Errors
/// `-EINVAL` outside of any thread.
#[inline(always)]
pub fn bpf_get_current_comm() -> Result<[u8; 16], c_long> {
    let mut comm = [0; 16];
    // SAFETY: the array is writable for its length.
    check(unsafe { generated::bpf_get_current_comm((&raw mut comm).cast(), 16) })?;
    Ok(comm)
}

/// As [`bpf_get_current_comm`], into a place that is there already, such as a field of a record in
/// a ring buffer: a copy less.
///
/// # Errors
/// `-EINVAL` outside of any thread; then all of it is zero.
#[inline(always)]
pub fn bpf_get_current_comm_buf(comm: &mut [u8; 16]) -> Result<(), c_long> {
    // SAFETY: the array is writable for its length.
    check(unsafe { generated::bpf_get_current_comm((&raw mut *comm).cast(), 16) }).map(drop)
}

macro_rules! probe_reads {
    ($(
        $what:literal $since:literal
        $value:ident $buf:ident $str:ident
        $raw:ident $raw_str:ident;
    )*) => { $(
        #[doc = concat!("Copies a value from ", $what, " (", $since, "; GPL only).")]
        ///
        /// # Errors
        /// `-EFAULT` where nothing is mapped.
        ///
        /// # Safety
        /// The bytes at `src` must make a `T`. (Whether there are any is checked.)
        #[inline(always)]
        pub unsafe fn $value<T>(src: *const T) -> Result<T, c_long> {
            let mut value = MaybeUninit::<T>::uninit();
            // SAFETY: the destination is writable for its size; the kernel checks the source.
            let result = unsafe {
                generated::$raw(value.as_mut_ptr().cast(), size_of::<T>() as u32, src.cast())
            };
            check(result)?;
            // SAFETY: all bytes were written, and make a `T` by the caller's promise.
            Ok(unsafe { value.assume_init() })
        }

        #[doc = concat!("Fills `dst` from ", $what, " (", $since, "; GPL only).")]
        ///
        /// # Errors
        /// `-EFAULT` where nothing is mapped; `dst` is all zeroes then.
        ///
        /// # Safety
        /// None is needed: the kernel checks the source. It is `unsafe` for Aya's sake, where it
        /// is.
        #[inline(always)]
        pub unsafe fn $buf(src: *const u8, dst: &mut [u8]) -> Result<(), c_long> {
            // SAFETY: the destination is writable for its length; the kernel checks the source.
            check(unsafe { generated::$raw(dst.as_mut_ptr().cast(), dst.len() as u32, src.cast()) })
        }

        #[doc = concat!("Copies a string from ", $what)]
        /// up to its NUL or the end of `dest`. Gives the part of `dest` that it fills, without the
        /// NUL.
        ///
        #[doc = concat!("Linux ≥ ", $since, ". GPL only.")]
        ///
        /// # Errors
        /// `-EFAULT` where nothing is mapped.
        ///
        /// # Safety
        /// None is needed: the kernel checks the source. It is `unsafe` for Aya's sake, where it
        /// is.
        #[inline(always)]
        pub unsafe fn $str(src: *const u8, dest: &mut [u8]) -> Result<&[u8], c_long> {
            // SAFETY: the destination is writable for its length; the kernel checks the source.
            let length = unsafe {
                generated::$raw_str(dest.as_mut_ptr().cast(), dest.len() as u32, src.cast())
            };
            check(length)?;
            // The length counts the NUL.
            Ok(dest.get(..(length as usize).saturating_sub(1)).unwrap_or(&[]))
        }
    )* };
}

probe_reads! {
    "the kernel's memory" "5.5"
        bpf_probe_read_kernel bpf_probe_read_kernel_buf bpf_probe_read_kernel_str_bytes
        bpf_probe_read_kernel bpf_probe_read_kernel_str;
    "user memory" "5.5"
        bpf_probe_read_user bpf_probe_read_user_buf bpf_probe_read_user_str_bytes
        bpf_probe_read_user bpf_probe_read_user_str;
    "any memory: for kernels that have no other; newer ones may not read user memory with it"
        "4.1, strings 4.11"
        bpf_probe_read bpf_probe_read_buf bpf_probe_read_str_bytes
        bpf_probe_read bpf_probe_read_str;
}

/// Copies a value from user memory, and waits for it if it is not there (5.10; sleepable programs).
///
/// # Errors
/// `-EFAULT` where nothing is mapped.
#[inline(always)]
pub fn bpf_copy_from_user<T: Pod>(src: *const T) -> Result<T, c_long> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the destination is writable for its size; the kernel checks the source.
    let result = unsafe {
        generated::bpf_copy_from_user(value.as_mut_ptr().cast(), size_of::<T>() as u32, src.cast())
    };
    check(result)?;
    // SAFETY: all bytes were written, and any bytes make a `T`.
    Ok(unsafe { value.assume_init() })
}

/// Fills `dst` from user memory, and waits for it if it is not there (5.10; sleepable programs).
///
/// # Errors
/// `-EFAULT` where nothing is mapped; `dst` is all zeroes then.
#[inline(always)]
pub fn bpf_copy_from_user_buf(src: *const u8, dst: &mut [u8]) -> Result<(), c_long> {
    // SAFETY: the destination is writable for its length; the kernel checks the source.
    check(unsafe {
        generated::bpf_copy_from_user(dst.as_mut_ptr().cast(), dst.len() as u32, src.cast())
    })
}

/// The thread and process that run, as the PID namespace with this device and inode number numbers
/// them (`stat` on `/proc/self/ns/pid`) (5.7).
///
/// # Errors
/// `-EINVAL` when they are in another namespace.
#[inline(always)]
pub fn bpf_get_ns_current_pid_tgid(dev: u64, ino: u64) -> Result<bpf_pidns_info, c_long> {
    let mut info = bpf_pidns_info { pid: 0, tgid: 0 };
    let size = size_of::<bpf_pidns_info>() as u32;
    // SAFETY: the destination is writable for its size.
    check(unsafe { generated::bpf_get_ns_current_pid_tgid(dev, ino, &raw mut info, size) })?;
    Ok(info)
}
