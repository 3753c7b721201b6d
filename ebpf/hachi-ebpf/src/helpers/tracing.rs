//! What programs that watch the kernel need: who runs, and what is in memory.

use core::mem::MaybeUninit;

use super::check;
use crate::cty::{c_char, c_long, c_void};

helpers! {
    /// The thread that runs, in the low 32 bits (the kernel's `pid`), and its process, in the high
    /// ones (`tgid`) (4.2).
    pub fn bpf_get_current_pid_tgid() -> u64 = 14;

    /// User, in the low 32 bits, and group of the thread that runs (4.2).
    pub fn bpf_get_current_uid_gid() -> u64 = 15;

    /// Address of the `task_struct` of the thread that runs, as a number (4.8; GPL only).
    pub fn bpf_get_current_task() -> u64 = 35;

    /// The id of the cgroup (v2) of the thread that runs (4.18).
    pub fn bpf_get_current_cgroup_id() -> u64 = 80;

    /// The id of the ancestor, `ancestor_level` below the root, of the cgroup (v2) of the thread that
    /// runs (5.6).
    pub fn bpf_get_current_ancestor_cgroup_id(ancestor_level: i32) -> u64 = 123;

    /// Writes formatted text to the file of an iterator (5.8; GPL only).
    /// [`seq_printf!`](crate::seq_printf) calls it.
    ///
    /// # Safety
    /// `seq` must be the iterator's file, `format` readable for `format_size` bytes and end with a
    /// NUL, `data` readable for `data_size` bytes.
    pub unsafe fn bpf_seq_printf(seq: *mut c_void, format: *const c_char, format_size: u32, data: *const c_void, data_size: u32) -> c_long = 126;

    /// Writes bytes to the file of an iterator (5.8; GPL only).
    ///
    /// # Safety
    /// `seq` must be the iterator's file, `data` readable for `size` bytes.
    pub unsafe fn bpf_seq_write(seq: *mut c_void, data: *const c_void, size: u32) -> c_long = 127;

    /// The `task_struct` of the thread that runs, as a pointer that the verifier follows (5.11; GPL
    /// only). Take it as a handle: `task_struct::from_ptr(bpf_get_current_task_btf())`.
    pub fn bpf_get_current_task_btf() -> *mut c_void = 158;
}

/// Under the names of the kernel, as the kernel has them.
pub(crate) mod raw {
    use crate::cty::{c_long, c_void};

    helpers! {
        /// Copies the current thread's name, and zeroes up to `size` (4.2).
        ///
        /// # Safety
        /// `to` must be writable for `size` bytes.
        pub unsafe fn bpf_get_current_comm(to: *mut c_void, size: u32) -> c_long = 16;

        /// Copies from user memory (5.5).
        ///
        /// # Safety
        /// `to` must be writable for `size` bytes.
        pub unsafe fn bpf_probe_read_user(to: *mut c_void, size: u32, from: *const c_void) -> c_long = 112;

        /// Copies from the kernel's memory (5.5; GPL only).
        ///
        /// # Safety
        /// `to` must be writable for `size` bytes.
        pub unsafe fn bpf_probe_read_kernel(to: *mut c_void, size: u32, from: *const c_void) -> c_long = 113;

        /// Copies a string from user memory (5.5; GPL only).
        ///
        /// # Safety
        /// `to` must be writable for `size` bytes.
        pub unsafe fn bpf_probe_read_user_str(to: *mut c_void, size: u32, from: *const c_void) -> c_long = 114;

        /// Copies a string from the kernel's memory (5.5; GPL only).
        ///
        /// # Safety
        /// `to` must be writable for `size` bytes.
        pub unsafe fn bpf_probe_read_kernel_str(to: *mut c_void, size: u32, from: *const c_void) -> c_long = 115;
    }
}

/// The name of the thread that runs, with zeroes after it (4.2; GPL only).
///
/// # Errors
/// `-EINVAL` outside of any thread.
#[inline(always)]
pub fn bpf_get_current_comm() -> Result<[u8; 16], c_long> {
    let mut comm = [0; 16];
    // SAFETY: the array is writable for its length.
    check(unsafe { raw::bpf_get_current_comm((&raw mut comm).cast(), 16) })?;
    Ok(comm)
}

macro_rules! probe_reads {
    ($($what:literal $value:ident $buf:ident $str:ident $raw:ident $raw_str:ident;)*) => { $(
        #[doc = concat!("Copies a value from ", $what, " (5.5; GPL only).")]
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
            let result = unsafe { raw::$raw(value.as_mut_ptr().cast(), size_of::<T>() as u32, src.cast()) };
            check(result)?;
            // SAFETY: all bytes were written, and make a `T` by the caller's promise.
            Ok(unsafe { value.assume_init() })
        }

        #[doc = concat!("Fills `dst` from ", $what, " (5.5; GPL only).")]
        ///
        /// # Errors
        /// `-EFAULT` where nothing is mapped; `dst` is all zeroes then.
        ///
        /// # Safety
        /// None is needed: the kernel checks the source. It is `unsafe` for Aya's sake, where it is.
        #[inline(always)]
        pub unsafe fn $buf(src: *const u8, dst: &mut [u8]) -> Result<(), c_long> {
            // SAFETY: the destination is writable for its length; the kernel checks the source.
            check(unsafe { raw::$raw(dst.as_mut_ptr().cast(), dst.len() as u32, src.cast()) })
        }

        #[doc = concat!("Copies a string from ", $what, ", up to its NUL or the end of `dest`; gives the part of `dest` that it fills, without the NUL (5.5; GPL only).")]
        ///
        /// # Errors
        /// `-EFAULT` where nothing is mapped.
        ///
        /// # Safety
        /// None is needed: the kernel checks the source. It is `unsafe` for Aya's sake, where it is.
        #[inline(always)]
        pub unsafe fn $str(src: *const u8, dest: &mut [u8]) -> Result<&[u8], c_long> {
            // SAFETY: the destination is writable for its length; the kernel checks the source.
            let length = unsafe { raw::$raw_str(dest.as_mut_ptr().cast(), dest.len() as u32, src.cast()) };
            check(length)?;
            // The length counts the NUL.
            Ok(dest.get(..(length as usize).saturating_sub(1)).unwrap_or(&[]))
        }
    )* };
}

probe_reads! {
    "the kernel's memory" bpf_probe_read_kernel bpf_probe_read_kernel_buf bpf_probe_read_kernel_str_bytes bpf_probe_read_kernel bpf_probe_read_kernel_str;
    "user memory" bpf_probe_read_user bpf_probe_read_user_buf bpf_probe_read_user_str_bytes bpf_probe_read_user bpf_probe_read_user_str;
}
