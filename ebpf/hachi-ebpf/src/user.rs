//! The memory of the process that runs.

use core::marker::PhantomData;

use crate::Pod;
use crate::cty::c_long;
use crate::helpers;
use crate::kernel::Argument;

/// An address in the memory of the process that runs: an argument of a system call, or what the
/// kernel's structures say about the process. Reading there is safe: the kernel checks the address.
///
/// ```
/// use hachi_ebpf::UserPtr;
///
/// fn first_letter(path: UserPtr<u8>) -> Option<u8> {
///     let mut name = [0; 64];
///     path.read_str(&mut name).ok()?.first().copied()
/// }
/// ```
/// What is there may change at any time, and only memory that is present can be read (5.5; GPL
/// only); a program that may sleep waits for the rest with
/// [`bpf_copy_from_user`](helpers::bpf_copy_from_user).
#[derive(Debug)]
pub struct UserPtr<T> {
    address: u64,
    target: PhantomData<*const T>,
}

impl<T> Clone for UserPtr<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for UserPtr<T> {}

impl<T> UserPtr<T> {
    /// The pointer with this address.
    #[inline(always)]
    pub const fn new(address: u64) -> Self {
        UserPtr {
            address,
            target: PhantomData,
        }
    }

    /// The address.
    #[inline(always)]
    pub const fn address(self) -> u64 {
        self.address
    }

    #[inline(always)]
    fn as_ptr(self) -> *const T {
        self.address as usize as *const T
    }
}

impl<T: Pod> UserPtr<T> {
    /// The value there.
    ///
    /// # Errors
    /// `-EFAULT` where nothing is mapped, or not present.
    #[inline(always)]
    pub fn read(self) -> Result<T, c_long> {
        // SAFETY: any bytes make a `T`.
        unsafe { helpers::bpf_probe_read_user(self.as_ptr()) }
    }
}

impl UserPtr<u8> {
    /// Fills `to` with the bytes there.
    ///
    /// # Errors
    /// `-EFAULT` where not all of them are mapped and present; `to` is all zeroes then.
    #[inline(always)]
    pub fn read_bytes(self, to: &mut [u8]) -> Result<(), c_long> {
        // SAFETY: none is needed.
        unsafe { helpers::bpf_probe_read_user_buf(self.as_ptr(), to) }
    }

    /// The bytes up to the first NUL or the end of `to`, in `to`.
    ///
    /// # Errors
    /// `-EFAULT` where nothing is mapped, or not present.
    #[inline(always)]
    pub fn read_str(self, to: &mut [u8]) -> Result<&[u8], c_long> {
        // SAFETY: none is needed.
        unsafe { helpers::bpf_probe_read_user_str_bytes(self.as_ptr(), to) }
    }
}

impl<T> Argument for UserPtr<T> {
    #[inline(always)]
    fn from_argument(register: u64) -> Self {
        UserPtr::new(register)
    }
}
