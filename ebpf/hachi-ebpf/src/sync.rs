//! Locks, timers and work in the values of maps; the RCU lock.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
#[cfg(not(hachi_bpf))]
use core::sync::atomic::Ordering;

use crate::cty::c_long;
#[cfg(hachi_bpf)]
use crate::cty::c_void;
use crate::maps::TypedMap;
use crate::{MapValue, Pod, Shareable, callback, helpers};

pub use crate::rcu::{RcuReadGuard, rcu_read_lock};
pub use crate::workqueue::bpf_wq;

/// The lock in a value, by the name that the kernel looks for: `struct bpf_spin_lock` (5.1).
///
/// [`Locked`] puts it to use.
#[allow(non_camel_case_types, reason = "C's own name")]
#[repr(transparent)]
pub struct bpf_spin_lock(UnsafeCell<u32>);

// SAFETY: only the kernel touches it, atomically.
unsafe impl Sync for bpf_spin_lock {}

impl bpf_spin_lock {
    /// # Panics
    /// On the development machine, if it is held already.
    #[inline(always)]
    pub(crate) fn acquire(&self) {
        #[cfg(not(hachi_bpf))]
        assert!(
            self.flag().swap(1, Ordering::Acquire) == 0,
            "the lock is held already: the verifier refuses a program that takes it twice"
        );
        // SAFETY: the lock lies in the value of a map, or the verifier refuses the program.
        unsafe { helpers::bpf_spin_lock(self.0.get().cast()) };
    }

    /// Gives it back; it must be held.
    #[inline(always)]
    pub(crate) fn release(&self) {
        // SAFETY: the lock is held, and given back here.
        unsafe { helpers::bpf_spin_unlock(self.0.get().cast()) };
        #[cfg(not(hachi_bpf))]
        self.flag().store(0, Ordering::Release);
    }

    /// The lock, where there is no kernel to mind it.
    #[cfg(not(hachi_bpf))]
    fn flag(&self) -> &core::sync::atomic::AtomicU32 {
        // SAFETY: it is there, aligned, and used as an atomic number only.
        unsafe { core::sync::atomic::AtomicU32::from_ptr(self.0.get()) }
    }
}

/// A value with a lock around it, for the values of hash tables, arrays and storage maps (5.1).
///
/// ```
/// use hachi_ebpf::{Pod, macros::map, maps::Array, sync::Locked};
///
/// #[derive(Clone, Copy, Pod)]
/// #[repr(C)]
/// struct Bucket {
///     tokens: u64,
///     filled_at: u64,
/// }
///
/// #[map]
/// static BUCKETS: Array<Locked<Bucket>> = Array::with_max_entries(16, 0);
///
/// fn take(index: u32) -> bool {
///     let Some(bucket) = BUCKETS.get(index) else { return false };
///     let mut bucket = bucket.lock();
///     let enough = bucket.tokens > 0;
///     bucket.tokens = bucket.tokens.saturating_sub(1);
///     enough
/// }
/// ```
/// While it is locked a program may call nothing, no helper and no function that is not inlined,
/// lock nothing else, and not panic: a panic ends the program at once. (In a debug build `+` and
/// `-` panic when they overflow.) The verifier makes sure of that, and that it is unlocked on every
/// way out: the guard does so when it is dropped. User space reads and writes the value as a whole
/// with the flag `BPF_F_LOCK`; for it the value is four bytes, which are the lock's, four that are
/// unused, and `T`.
///
/// Tracing programs may use no locks.
#[repr(C)]
pub struct Locked<T: Pod> {
    lock: bpf_spin_lock,
    /// So that nothing is padding, whatever `T` is aligned to.
    unused: u32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only with the lock held.
unsafe impl<T: Pod> Sync for Locked<T> {}

// SAFETY: any bytes are a lock that nobody holds or somebody does, and a `T`; there is no padding.
unsafe impl<T: Pod> MapValue for Locked<T> {
    type Ref<'a> = Lock<'a, T>;
    type Cell = Self;

    #[inline(always)]
    unsafe fn look<'a>(place: *mut Self) -> Lock<'a, T> {
        // SAFETY: the caller's promise.
        Lock(unsafe { &*place })
    }
}

impl<T: Pod> Locked<T> {
    /// A value, unlocked.
    pub const fn new(value: T) -> Self {
        const {
            assert!(
                align_of::<T>() <= 8,
                "what a lock protects is aligned to 8 bytes at most"
            );
        }
        Locked {
            lock: bpf_spin_lock(UnsafeCell::new(0)),
            unused: 0,
            value: UnsafeCell::new(value),
        }
    }

    /// The way to the lock, where it is a field of a value.
    #[inline(always)]
    pub fn access(&self) -> Lock<'_, T> {
        Lock(self)
    }
}

/// The way to take the lock of a [`Locked`], once.
#[must_use = "it locks nothing yet"]
pub struct Lock<'a, T: Pod>(&'a Locked<T>);

impl<'a, T: Pod> Lock<'a, T> {
    /// Takes the lock, which is given back when the guard is dropped.
    ///
    /// # Panics
    /// On the development machine, if it is held already: a kernel would not load the program.
    #[inline(always)]
    pub fn lock(self) -> LockGuard<'a, T> {
        self.0.lock.acquire();
        LockGuard(self.0)
    }
}

/// A lock that is held; gives access to what it protects.
#[must_use = "dropped, it unlocks at once"]
pub struct LockGuard<'a, T: Pod>(&'a Locked<T>);

impl<T: Pod> Deref for LockGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.0.value.get() }
    }
}

impl<T: Pod> DerefMut for LockGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T: Pod> Drop for LockGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.lock.release();
    }
}

/// The resilient lock in a value, by the name that the kernel looks for: `struct bpf_res_spin_lock`
/// (6.15).
///
/// [`ResilientLocked`] puts it to use.
#[allow(non_camel_case_types, reason = "C's own name")]
#[repr(transparent)]
pub struct bpf_res_spin_lock(UnsafeCell<u32>);

// SAFETY: only the kernel touches it, atomically.
unsafe impl Sync for bpf_res_spin_lock {}

/// As [`Locked`], with a lock that the kernel gives up on rather than wait forever: taking it may
/// fail (6.15).
///
/// ```
/// use hachi_ebpf::{macros::map, maps::Array, sync::ResilientLocked};
///
/// #[map]
/// static COUNTS: Array<ResilientLocked<[u64; 2]>> = Array::with_max_entries(1, 0);
///
/// fn count(length: u64) -> Result<(), i64> {
///     let mut counts = COUNTS.get(0).ok_or(-1)?.lock()?;
///     counts[0] = counts[0].wrapping_add(1);
///     counts[1] = counts[1].wrapping_add(length);
///     Ok(())
/// }
/// ```
/// Programs of all types may use them, tracing programs too, and hold more than one, which are
/// given back in the opposite order. No helper may be called and nothing may panic meanwhile, as
/// with [`Locked`]: look all of them up first. User space sees the lock as four bytes and four that
/// are unused, and `T`; the flag `BPF_F_LOCK` is not for it.
#[repr(C)]
pub struct ResilientLocked<T: Pod> {
    lock: bpf_res_spin_lock,
    /// So that nothing is padding, whatever `T` is aligned to.
    unused: u32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only with the lock held.
unsafe impl<T: Pod> Sync for ResilientLocked<T> {}

// SAFETY: any bytes are a lock that nobody holds or somebody does, and a `T`; there is no padding.
unsafe impl<T: Pod> MapValue for ResilientLocked<T> {
    type Ref<'a> = ResilientLock<'a, T>;
    type Cell = Self;

    #[inline(always)]
    unsafe fn look<'a>(place: *mut Self) -> ResilientLock<'a, T> {
        // SAFETY: the caller's promise.
        ResilientLock(unsafe { &*place })
    }
}

impl<T: Pod> ResilientLocked<T> {
    /// A value, unlocked.
    pub const fn new(value: T) -> Self {
        const {
            assert!(
                align_of::<T>() <= 8,
                "what a lock protects is aligned to 8 bytes at most"
            );
        }
        ResilientLocked {
            lock: bpf_res_spin_lock(UnsafeCell::new(0)),
            unused: 0,
            value: UnsafeCell::new(value),
        }
    }

    /// The way to the lock, where it is a field of a value.
    #[inline(always)]
    pub fn access(&self) -> ResilientLock<'_, T> {
        ResilientLock(self)
    }
}

/// "Resource deadlock avoided".
#[cfg(not(hachi_bpf))]
const EDEADLK: c_long = 35;

/// The way to take the lock of a [`ResilientLocked`], once.
#[must_use = "it locks nothing yet"]
pub struct ResilientLock<'a, T: Pod>(&'a ResilientLocked<T>);

impl<'a, T: Pod> ResilientLock<'a, T> {
    /// Takes the lock, which is given back when the guard is dropped (`bpf_res_spin_lock`).
    ///
    /// # Errors
    /// `-EDEADLK` when this CPU holds it already, or waits for one whose holder waits for another
    /// that this CPU holds; `-ETIMEDOUT` when it is not given back in time.
    #[inline(always)]
    pub fn lock(self) -> Result<ResilientLockGuard<'a, T>, c_long> {
        #[cfg(hachi_bpf)]
        {
            let lock: *mut c_void = self.0.lock.0.get().cast();
            // SAFETY: the lock lies in the value of a map, or the verifier refuses the program.
            helpers::check(
                crate::__call_kfunc!([unsafe]
                "kfunc:bpf_res_spin_lock:fn(*bpf_res_spin_lock) -> i32",
                (lock: *mut c_void) i32)
                .into(),
            )?;
        }
        #[cfg(not(hachi_bpf))]
        if self.0.flag().swap(1, Ordering::Acquire) != 0 {
            return Err(-EDEADLK);
        }
        Ok(ResilientLockGuard(self.0))
    }
}

#[cfg(not(hachi_bpf))]
impl<T: Pod> ResilientLocked<T> {
    /// The lock, where there is no kernel to mind it.
    fn flag(&self) -> &core::sync::atomic::AtomicU32 {
        // SAFETY: it is there, aligned, and used as an atomic number only.
        unsafe { core::sync::atomic::AtomicU32::from_ptr(self.lock.0.get()) }
    }
}

/// A resilient lock that is held; gives access to what it protects.
#[must_use = "dropped, it unlocks at once"]
pub struct ResilientLockGuard<'a, T: Pod>(&'a ResilientLocked<T>);

impl<T: Pod> Deref for ResilientLockGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.0.value.get() }
    }
}

impl<T: Pod> DerefMut for ResilientLockGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T: Pod> Drop for ResilientLockGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(hachi_bpf)]
        {
            let lock: *mut c_void = self.0.lock.0.get().cast();
            // SAFETY: the lock is held, and given back here.
            crate::__call_kfunc!([unsafe]
                "kfunc:bpf_res_spin_unlock:fn(*bpf_res_spin_lock)", (lock: *mut c_void) ());
        }
        #[cfg(not(hachi_bpf))]
        self.0.flag().store(0, Ordering::Release);
    }
}

/// A timer in a value, by the name that the kernel looks for: `struct bpf_timer` (5.15).
///
/// ```
/// use hachi_ebpf::{MapValue, macros::map, maps::HashMap};
/// use hachi_ebpf::{atomic::AtomicU64, sync::{CLOCK_MONOTONIC, bpf_timer as Timer}};
///
/// #[derive(MapValue)]
/// #[repr(C)]
/// struct Flow {
///     packets: AtomicU64,
///     timer: Timer,
/// }
///
/// #[map]
/// static FLOWS: HashMap<u32, Flow> = HashMap::with_max_entries(1024, 0);
///
/// /// Forgets the flow in ten seconds.
/// fn forget_later(flow: u32) -> Result<(), i64> {
///     let Some(entry) = FLOWS.get(flow) else { return Ok(()) };
///     let _ = entry.timer.init(&FLOWS, CLOCK_MONOTONIC);
///     entry.timer.set_callback(&FLOWS, |flow, _| {
///         let _ = FLOWS.remove(flow);
///     })?;
///     entry.timer.start(10_000_000_000, 0)
/// }
/// ```
/// It stops when its entry, or the last reference of user space to the map, goes away.
#[allow(non_camel_case_types, reason = "C's own name")]
#[repr(C)]
pub struct bpf_timer {
    opaque: UnsafeCell<[u64; 2]>,
}

// SAFETY: only the kernel touches it, with a lock of its own.
unsafe impl Sync for bpf_timer {}

crate::maps::in_place!(bpf_timer);

/// Time since the machine started, without the time it was suspended: for [`bpf_timer::init`].
pub const CLOCK_MONOTONIC: u64 = 1;
/// Time since the machine started, with the time it was suspended: for [`bpf_timer::init`].
pub const CLOCK_BOOTTIME: u64 = 7;

impl bpf_timer {
    /// A timer that was not prepared yet.
    pub const fn new() -> Self {
        bpf_timer {
            opaque: UnsafeCell::new([0; 2]),
        }
    }

    fn as_ptr(&self) -> *mut crate::bindings::bpf_timer {
        self.opaque.get().cast()
    }

    /// Prepares the timer, which lies in a value of `map`, once.
    ///
    /// # Errors
    /// `-EBUSY` when it is prepared already, `-EPERM` when user space holds no reference to the
    /// map.
    #[inline(always)]
    pub fn init(&self, map: &impl TypedMap, clock: u64) -> Result<(), c_long> {
        // SAFETY: the verifier makes sure that the timer lies in a value of the map.
        helpers::check(unsafe { helpers::bpf_timer_init(self.as_ptr(), map.as_map_ptr(), clock) })
    }

    /// Sets what is called with key and value when the timer expires. `f` may capture nothing: it
    /// runs long after the program.
    ///
    /// # Errors
    /// `-EINVAL` when the timer is not prepared.
    #[inline(always)]
    pub fn set_callback<M: TypedMap>(
        &self,
        map: &M,
        f: impl Fn(<M::Key as Shareable>::Read, &<M::Value as MapValue>::Cell) + Copy + 'static,
    ) -> Result<(), c_long> {
        // A verifier would know which map the timer lies in.
        #[cfg(all(feature = "test", not(hachi_bpf)))]
        if !crate::test::timer_is_of((&raw const *self).cast(), map.as_map_ptr()) {
            return Err(-crate::errno::EINVAL);
        }
        let _ = map;
        let callback = callback::later::<M, _>(f);
        // SAFETY: the function is one for the keys and values of the map, in which the verifier
        // makes sure that the timer lies.
        helpers::check(unsafe { helpers::bpf_timer_set_callback(self.as_ptr(), callback) })
    }

    /// Lets the timer expire in `nanoseconds`; `flags`: `BPF_F_TIMER_ABS` (at that time; 6.4),
    /// `BPF_F_TIMER_CPU_PIN` (on this CPU; 6.7).
    ///
    /// # Errors
    /// `-EINVAL` when it is not prepared, or nothing would be called.
    #[inline(always)]
    pub fn start(&self, nanoseconds: u64, flags: u64) -> Result<(), c_long> {
        // SAFETY: the verifier makes sure that the timer lies in a value of a map.
        helpers::check(unsafe { helpers::bpf_timer_start(self.as_ptr(), nanoseconds, flags) })
    }

    /// Stops the timer and waits for what it called; gives whether it was running.
    ///
    /// # Errors
    /// `-EDEADLK` from what it called, `-EINVAL` when it is not prepared.
    #[inline(always)]
    pub fn cancel(&self) -> Result<bool, c_long> {
        // SAFETY: as above.
        let result = unsafe { helpers::bpf_timer_cancel(self.as_ptr()) };
        helpers::check(result)?;
        Ok(result == 1)
    }
}

impl Default for bpf_timer {
    fn default() -> Self {
        bpf_timer::new()
    }
}
