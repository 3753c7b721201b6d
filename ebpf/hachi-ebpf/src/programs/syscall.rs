//! Programs that run when user space says so.

use core::marker::PhantomData;

use super::EbpfContext;
use crate::Pod;
use crate::cty::c_void;

/// The argument of a `#[syscall]` program: a `T` of user space's making, which is copied in when
/// the program is called and back when it returns (5.14).
///
/// Calling the program with fewer bytes is an error there, so the whole `T` is always readable. Its
/// size is a multiple of 8.
///
/// ```
/// use hachi_ebpf::macros::syscall;
/// use hachi_ebpf::programs::SyscallContext;
///
/// /// Gives the sum, which the loader finds in the second number.
/// #[syscall]
/// fn add(mut ctx: SyscallContext<[u64; 2]>) -> u32 {
///     let [one, two] = ctx.get();
///     ctx.set([one, one + two]);
///     0
/// }
/// ```
#[derive(Debug)]
#[repr(transparent)]
pub struct SyscallContext<T: Pod> {
    ctx: *mut T,
    of: PhantomData<T>,
}

impl<T: Pod> SyscallContext<T> {
    const WHOLE_WORDS: () = assert!(
        size_of::<T>().is_multiple_of(8),
        "the verifier lets whole words of the argument be read: pad it to a multiple of 8 bytes"
    );

    /// Wraps the context that the kernel called the program with. The attribute does so.
    ///
    /// # Safety
    /// `ctx` must be that pointer, and there must be no other context made from it.
    #[inline(always)]
    pub unsafe fn new(ctx: *mut c_void) -> Self {
        let () = Self::WHOLE_WORDS;
        Self {
            ctx: ctx.cast(),
            of: PhantomData,
        }
    }

    /// The argument.
    #[inline(always)]
    pub fn get(&self) -> T {
        let mut value = core::mem::MaybeUninit::<T>::uninit();
        for word in 0..size_of::<T>() / 8 {
            // SAFETY: the verifier checks the bounds against the argument's size, the value is as
            // large; the context is aligned to 8. Volatile because loads must not become wider.
            unsafe {
                let from = self.ctx.cast::<u64>().add(word).read_volatile();
                value
                    .as_mut_ptr()
                    .cast::<u64>()
                    .add(word)
                    .write_unaligned(from);
            }
        }
        // SAFETY: all bytes were written, and any make a `T`.
        unsafe { value.assume_init() }
    }

    /// Replaces the argument: user space gets it back.
    #[inline(always)]
    pub fn set(&mut self, value: T) {
        for word in 0..size_of::<T>() / 8 {
            // SAFETY: as for reading.
            unsafe {
                let from = (&raw const value).cast::<u64>().add(word).read_unaligned();
                self.ctx.cast::<u64>().add(word).write_volatile(from);
            }
        }
    }
}

// SAFETY: `new` was given the kernel's context.
unsafe impl<T: Pod> EbpfContext for SyscallContext<T> {
    #[inline(always)]
    fn as_ptr(&self) -> *mut c_void {
        self.ctx.cast()
    }
}
