//! Memory whose size is known when the program runs.

use core::mem::MaybeUninit;

use crate::bindings::bpf_dynptr;
use crate::cty::c_long;
use crate::{Pod, helpers};

/// Memory that the kernel knows start and length of, and checks each access to (5.19).
///
/// There is no way to make one but to be given it: by a [`RingBuf`](crate::maps::RingBuf) or a
/// [`UserRingBuf`](crate::maps::UserRingBuf).
#[repr(transparent)]
pub struct Dynptr(pub(crate) bpf_dynptr);

impl Dynptr {
    #[inline(always)]
    fn as_ptr(&self) -> *mut bpf_dynptr {
        (&raw const self.0).cast_mut()
    }

    /// A copy of the `T` at `offset`.
    ///
    /// # Errors
    /// `-E2BIG` when the memory ends before it does.
    #[inline(always)]
    pub fn read<T: Pod>(&self, offset: u32) -> Result<T, c_long> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the kernel made the dynptr; the value is writable for its size.
        helpers::check(unsafe {
            helpers::bpf_dynptr_read(
                value.as_mut_ptr().cast(),
                size_of::<T>() as u32,
                self.as_ptr(),
                offset,
                0,
            )
        })?;
        // SAFETY: all bytes were written, and any make a `T`.
        Ok(unsafe { value.assume_init() })
    }

    /// Fills `to` with the bytes from `offset` on.
    ///
    /// # Errors
    /// `-E2BIG` when the memory ends before `offset + to.len()`.
    #[inline(always)]
    pub fn read_bytes(&self, offset: u32, to: &mut [u8]) -> Result<(), c_long> {
        // SAFETY: the kernel made the dynptr; the buffer is writable for its length.
        helpers::check(unsafe {
            helpers::bpf_dynptr_read(
                to.as_mut_ptr().cast(),
                to.len() as u32,
                self.as_ptr(),
                offset,
                0,
            )
        })
    }

    /// Overwrites what stands at `offset` with `value`.
    ///
    /// # Errors
    /// `-E2BIG` when the memory ends too early, `-EINVAL` when it may not be written.
    #[inline(always)]
    pub fn write<T: Pod>(&mut self, offset: u32, value: &T) -> Result<(), c_long> {
        // SAFETY: the kernel made the dynptr; the value is readable for its size.
        helpers::check(unsafe {
            helpers::bpf_dynptr_write(
                self.as_ptr(),
                offset,
                (&raw const *value).cast(),
                size_of::<T>() as u32,
                0,
            )
        })
    }

    /// Overwrites the bytes from `offset` on with `from`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[inline(always)]
    pub fn write_bytes(&mut self, offset: u32, from: &[u8]) -> Result<(), c_long> {
        // SAFETY: the kernel made the dynptr; the buffer is readable for its length.
        helpers::check(unsafe {
            helpers::bpf_dynptr_write(
                self.as_ptr(),
                offset,
                from.as_ptr().cast(),
                from.len() as u32,
                0,
            )
        })
    }
}
