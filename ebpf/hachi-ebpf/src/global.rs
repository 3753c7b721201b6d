//! Variables shared with user space: settings that it gives before the program is loaded, and what
//! programs write.

use core::cell::UnsafeCell;

use crate::Shareable;

/// A read-only setting: user space may replace its value before loading, the program reads it.
///
/// ```
/// use hachi_ebpf::Global;
///
/// static LOG_DROPS: Global<u8> = Global::new(0);
///
/// fn log_drops() -> bool {
///     LOG_DROPS.load() != 0
/// }
/// ```
/// User space: `EbpfLoader::new().override_global("LOG_DROPS", &1u8, true)`.
///
/// The value lies in the section `.rodata`, which the loader freezes: the verifier knows it then,
/// and leaves out the code that a setting turns off. It takes kernel 5.2 (global data).
///
/// A setting is plain data, a `bool`, or an enum that derives [`Shareable`], which
/// [`load`](Self::load) checks:
/// ```
/// use hachi_ebpf::{Global, Shareable};
///
/// #[derive(Clone, Copy, Shareable)]
/// #[repr(u8)]
/// enum Mode {
///     Watch = 1,
///     Drop = 2,
/// }
///
/// static MODE: Global<Mode> = Global::new(Mode::Watch);
///
/// fn drops() -> bool {
///     // `None`: user space gave a number that is not a mode.
///     matches!(MODE.load(), Some(Mode::Drop))
/// }
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Global<T: Shareable>(T);

impl<T: Shareable> Global<T> {
    /// A setting with this value unless user space gives another.
    pub const fn new(value: T) -> Self {
        Global(value)
    }

    /// The value; an `Option` of an enum.
    #[inline(always)]
    pub fn load(&self) -> T::Read {
        let place = (&raw const self.0).cast::<T::Bits>();
        #[cfg(all(feature = "test", not(hachi_bpf)))]
        if let Some(bits) = crate::test::global(place) {
            return T::from_bits(bits);
        }
        // SAFETY: reads through a reference, which is to the bits. Volatile because the value is
        // replaced after the compiler has seen it.
        T::from_bits(unsafe { place.read_volatile() })
    }
}

/// A variable that programs write, and user space too (5.2).
///
/// ```
/// use hachi_ebpf::GlobalMut;
///
/// #[unsafe(no_mangle)]
/// static LAST_SEEN: GlobalMut<[u8; 4]> = GlobalMut::new([0; 4]);
///
/// fn seen(address: [u8; 4]) {
///     LAST_SEEN.store(address);
/// }
/// ```
/// It lies in the section `.data`, or `.bss` if it is zero; these are maps of one value, which user
/// space finds by name. All CPUs share it. A value of up to 8 bytes is read and written at once; a
/// larger one may be seen half written. For counting take [atomics](crate::atomic).
#[repr(transparent)]
pub struct GlobalMut<T: Shareable>(UnsafeCell<T>);

// SAFETY: access is volatile and by copy, and any bytes make a value or are checked.
unsafe impl<T: Shareable> Sync for GlobalMut<T> {}

impl<T: Shareable> GlobalMut<T> {
    /// A variable with this value, unless user space gives another before the program is loaded.
    pub const fn new(value: T) -> Self {
        GlobalMut(UnsafeCell::new(value))
    }

    /// The value; an `Option` of an enum.
    #[inline(always)]
    pub fn load(&self) -> T::Read {
        let place = self.0.get().cast::<T::Bits>();
        #[cfg(all(feature = "test", not(hachi_bpf)))]
        if let Some(bits) = crate::test::global(place.cast_const()) {
            return T::from_bits(bits);
        }
        // SAFETY: the variable is there, and any bytes are bits.
        T::from_bits(unsafe { place.read_volatile() })
    }

    /// Replaces the value.
    #[inline(always)]
    pub fn store(&self, value: T) {
        // Each test has variables of its own.
        #[cfg(all(feature = "test", not(hachi_bpf)))]
        crate::test::set_global(self.0.get().cast_const(), value);
        #[cfg(not(all(feature = "test", not(hachi_bpf))))]
        // SAFETY: as above.
        unsafe {
            self.0.get().write_volatile(value)
        }
    }
}
