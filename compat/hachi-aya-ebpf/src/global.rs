//! Settings.

use core::mem::MaybeUninit;

/// A constant that user space may set before it loads the program.
///
/// A static: `#[unsafe(no_mangle)] static LIMIT: Global<u32> = Global::new(10);`.
#[repr(transparent)]
pub struct Global<T> {
    // So that the compiler does not know the value.
    value: MaybeUninit<T>,
}

// SAFETY: programs only read it.
unsafe impl<T: Sync> Sync for Global<T> {}

impl<T> Global<T> {
    /// With this value, unless user space sets another.
    pub const fn new(value: T) -> Self {
        Global {
            value: MaybeUninit::new(value),
        }
    }
}

impl<T: Default> Default for Global<T> {
    fn default() -> Self {
        Global::new(T::default())
    }
}

impl<T: Copy> Global<T> {
    /// The value.
    #[inline(always)]
    pub fn load(&self) -> T {
        // SAFETY: initialised by `new`, or by user space with a value of the type.
        unsafe { self.value.as_ptr().read_volatile() }
    }
}
