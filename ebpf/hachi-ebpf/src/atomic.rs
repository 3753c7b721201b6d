//! Numbers that CPUs, and user space, change at the same time: in the values of maps and in
//! globals.
//!
//! rustc's eBPF target has no atomic operations beyond loads and stores, so `core::sync::atomic` is
//! of no use there. These types have its names and methods, and the instructions of eBPF behind
//! them.
//!
//! ```
//! use hachi_ebpf::{atomic::{AtomicU64, Ordering}, macros::map, maps::HashMap};
//!
//! #[map]
//! static BYTES: HashMap<u32, AtomicU64> = HashMap::with_max_entries(1024, 0);
//! static PACKETS: AtomicU64 = AtomicU64::new(0);
//!
//! fn count(source: u32, length: u64) {
//!     PACKETS.fetch_add(1, Ordering::Relaxed);
//!     if let Some(bytes) = BYTES.get_or_insert(source, AtomicU64::new(0)) {
//!         bytes.fetch_add(length, Ordering::Relaxed);
//!     }
//! }
//! ```
//! User space sees plain numbers.
//!
//! With [`Ordering::Relaxed`] and the result not used, adding, `and`, `or` and `xor` are the eBPF
//! of all kernels that have 32-bit registers (5.1; adding needs no more than 3.18). Everything else
//! takes 5.12 on x86-64 and on arm64 5.18 or so.
//!
//! # Orderings
//! The kernel's operations with a result are full barriers (`SeqCst`), so that is what they are for
//! any ordering but `Relaxed`. Loads that acquire and stores that release are instructions of eBPF
//! since 6.15: a program built for `v4`, by a compiler with LLVM 21, has them. Otherwise such a
//! `store` is a `swap`, and such a `load` has a full barrier behind it: correct on every
//! architecture, and dearer.

pub use core::sync::atomic::Ordering;

use core::cell::UnsafeCell;
use core::fmt;

/// The runtime that the linker adds.
#[cfg(hachi_bpf)]
mod runtime {
    unsafe extern "C" {
        pub fn __hachi_atomic_add64(p: *mut u64, v: u64) -> u64;
        pub fn __hachi_atomic_and64(p: *mut u64, v: u64) -> u64;
        pub fn __hachi_atomic_or64(p: *mut u64, v: u64) -> u64;
        pub fn __hachi_atomic_xor64(p: *mut u64, v: u64) -> u64;
        pub fn __hachi_atomic_add64_relaxed(p: *mut u64, v: u64) -> u64;
        pub fn __hachi_atomic_and64_relaxed(p: *mut u64, v: u64) -> u64;
        pub fn __hachi_atomic_or64_relaxed(p: *mut u64, v: u64) -> u64;
        pub fn __hachi_atomic_xor64_relaxed(p: *mut u64, v: u64) -> u64;
        pub fn __hachi_atomic_xchg64(p: *mut u64, v: u64) -> u64;
        pub fn __hachi_atomic_cmpxchg64(p: *mut u64, old: u64, new: u64) -> u64;
        pub fn __hachi_atomic_load64(p: *const u64) -> u64;
        pub fn __hachi_atomic_load64_acquire(p: *const u64) -> u64;
        pub fn __hachi_atomic_store64_release(p: *mut u64, v: u64);
        pub fn __hachi_atomic_add32(p: *mut u32, v: u32) -> u32;
        pub fn __hachi_atomic_and32(p: *mut u32, v: u32) -> u32;
        pub fn __hachi_atomic_or32(p: *mut u32, v: u32) -> u32;
        pub fn __hachi_atomic_xor32(p: *mut u32, v: u32) -> u32;
        pub fn __hachi_atomic_add32_relaxed(p: *mut u32, v: u32) -> u32;
        pub fn __hachi_atomic_and32_relaxed(p: *mut u32, v: u32) -> u32;
        pub fn __hachi_atomic_or32_relaxed(p: *mut u32, v: u32) -> u32;
        pub fn __hachi_atomic_xor32_relaxed(p: *mut u32, v: u32) -> u32;
        pub fn __hachi_atomic_xchg32(p: *mut u32, v: u32) -> u32;
        pub fn __hachi_atomic_cmpxchg32(p: *mut u32, old: u32, new: u32) -> u32;
        pub fn __hachi_atomic_load32(p: *const u32) -> u32;
        pub fn __hachi_atomic_load32_acquire(p: *const u32) -> u32;
        pub fn __hachi_atomic_store32_release(p: *mut u32, v: u32);
    }
}

/// A full barrier: no access moves across it, on this CPU or seen from others (5.12).
#[inline(always)]
pub fn fence() {
    #[cfg(hachi_bpf)]
    {
        unsafe extern "C" {
            fn __hachi_fence();
        }
        // SAFETY: it touches a variable of its own.
        unsafe { __hachi_fence() };
    }
    #[cfg(not(hachi_bpf))]
    core::sync::atomic::fence(Ordering::SeqCst);
}

/// A read-modify-write method: on eBPF a function of the runtime, on the development machine the
/// standard type's.
macro_rules! rmw {
    (
        $(#[$doc:meta])*
        $method:ident($int:ty as $raw:ty, $std:ident) = $full:ident, $relaxed:ident
    ) => {
        $(#[$doc])*
        #[inline(always)]
        pub fn $method(&self, value: $int, order: Ordering) -> $int {
            #[cfg(hachi_bpf)]
            {
                let at = self.0.get().cast::<$raw>();
                let operation = match order {
                    Ordering::Relaxed => runtime::$relaxed,
                    _ => runtime::$full,
                };
                // SAFETY: the number is there, aligned, and shared by atomic operations.
                unsafe { operation(at, value as $raw) as $int }
            }
            #[cfg(not(hachi_bpf))]
            self.std().$method(value, order)
        }
    };
}

macro_rules! atomic {
    (
        $name:ident($int:ident as $raw:ident, $std:ident),
        $add:ident $and:ident $or:ident $xor:ident
        $add_relaxed:ident $and_relaxed:ident $or_relaxed:ident $xor_relaxed:ident
        $swap:ident $compare_exchange:ident $load:ident $load_strictly:ident $store:ident
    ) => {
        #[doc = concat!("A `", stringify!($int), "` that several programs may change at once.")]
        #[repr(transparent)]
        pub struct $name(UnsafeCell<$int>);

        // SAFETY: all access is atomic.
        unsafe impl Sync for $name {}

        crate::maps::in_place!($name);

        impl $name {
            /// The number, to begin with.
            pub const fn new(value: $int) -> Self {
                $name(UnsafeCell::new(value))
            }

            /// The number at `at`, such as one that `get_ptr_mut` of a map gave.
            ///
            /// # Safety
            /// It must be there, aligned, for as long as the reference is used, and nobody may
            /// access it in another way than by atomic operations meanwhile.
            #[inline(always)]
            pub const unsafe fn from_ptr<'a>(at: *mut $int) -> &'a Self {
                // SAFETY: as the caller promises; the type is transparent.
                unsafe { &*at.cast() }
            }

            /// A pointer to the number.
            #[inline(always)]
            pub const fn as_ptr(&self) -> *mut $int {
                self.0.get()
            }

            #[cfg(not(hachi_bpf))]
            fn std(&self) -> &core::sync::atomic::$std {
                // SAFETY: the number is there, aligned, and shared by atomic operations.
                unsafe { core::sync::atomic::$std::from_ptr(self.0.get()) }
            }

            /// The value.
            ///
            /// # Panics
            /// Not on eBPF; elsewhere for an ordering that a load cannot have.
            #[inline(always)]
            pub fn load(&self, order: Ordering) -> $int {
                #[cfg(hachi_bpf)]
                // SAFETY: the number is there and aligned; a load of its size is one access.
                unsafe {
                    match order {
                        Ordering::Relaxed => self.0.get().read_volatile(),
                        Ordering::Acquire => runtime::$load(self.0.get().cast()) as $int,
                        _ => runtime::$load_strictly(self.0.get().cast()) as $int,
                    }
                }
                #[cfg(not(hachi_bpf))]
                self.std().load(order)
            }

            /// Replaces the value.
            ///
            /// # Panics
            /// Not on eBPF; elsewhere for an ordering that a store cannot have.
            #[inline(always)]
            pub fn store(&self, value: $int, order: Ordering) {
                #[cfg(hachi_bpf)]
                // SAFETY: the number is there and aligned; a store of its size is one access.
                unsafe {
                    match order {
                        Ordering::Relaxed => self.0.get().write_volatile(value),
                        Ordering::Release => runtime::$store(self.0.get().cast(), value as $raw),
                        _ => {
                            self.swap(value, order);
                        }
                    }
                }
                #[cfg(not(hachi_bpf))]
                self.std().store(value, order)
            }

            rmw! {
                /// Adds, wrapping around; gives the value before.
                fetch_add($int as $raw, $std) = $add, $add_relaxed
            }
            rmw! {
                /// Bitwise "and"; gives the value before.
                fetch_and($int as $raw, $std) = $and, $and_relaxed
            }
            rmw! {
                /// Bitwise "or"; gives the value before.
                fetch_or($int as $raw, $std) = $or, $or_relaxed
            }
            rmw! {
                /// Bitwise "exclusive or"; gives the value before.
                fetch_xor($int as $raw, $std) = $xor, $xor_relaxed
            }
            rmw! {
                /// Replaces the value; gives the one before.
                swap($int as $raw, $std) = $swap, $swap
            }

            /// Subtracts, wrapping around; gives the value before.
            #[inline(always)]
            pub fn fetch_sub(&self, value: $int, order: Ordering) -> $int {
                self.fetch_add(value.wrapping_neg(), order)
            }

            /// Replaces the value by `new` if it is `current`.
            ///
            /// # Errors
            /// The value that there was instead.
            #[inline(always)]
            pub fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                #[cfg(hachi_bpf)]
                {
                    let _ = (success, failure);
                    let at = self.0.get().cast();
                    // SAFETY: the number is there, aligned, and shared by atomic operations.
                    let before = unsafe {
                        runtime::$compare_exchange(at, current as $raw, new as $raw) as $int
                    };
                    if before == current {
                        Ok(before)
                    } else {
                        Err(before)
                    }
                }
                #[cfg(not(hachi_bpf))]
                self.std().compare_exchange(current, new, success, failure)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.load(Ordering::Relaxed).fmt(f)
            }
        }
    };
}

macro_rules! atomics {
    ($($name:ident($int:ident as $raw:tt) = $bits:tt;)*) => { $(
        atomics!(@ $name $int $raw $bits);
    )* };
    (@ $name:ident $int:ident u64 64) => {
        atomic! {
            $name($int as u64, $name),
            __hachi_atomic_add64 __hachi_atomic_and64 __hachi_atomic_or64 __hachi_atomic_xor64
            __hachi_atomic_add64_relaxed __hachi_atomic_and64_relaxed
            __hachi_atomic_or64_relaxed __hachi_atomic_xor64_relaxed
            __hachi_atomic_xchg64 __hachi_atomic_cmpxchg64
            __hachi_atomic_load64_acquire __hachi_atomic_load64 __hachi_atomic_store64_release
        }
    };
    (@ $name:ident $int:ident u32 32) => {
        atomic! {
            $name($int as u32, $name),
            __hachi_atomic_add32 __hachi_atomic_and32 __hachi_atomic_or32 __hachi_atomic_xor32
            __hachi_atomic_add32_relaxed __hachi_atomic_and32_relaxed
            __hachi_atomic_or32_relaxed __hachi_atomic_xor32_relaxed
            __hachi_atomic_xchg32 __hachi_atomic_cmpxchg32
            __hachi_atomic_load32_acquire __hachi_atomic_load32 __hachi_atomic_store32_release
        }
    };
}

atomics! {
    AtomicU64(u64 as u64) = 64;
    AtomicI64(i64 as u64) = 64;
    AtomicU32(u32 as u32) = 32;
    AtomicI32(i32 as u32) = 32;
}
