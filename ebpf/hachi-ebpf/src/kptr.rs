//! Pointers to the kernel's objects that a program owns, and that values of maps can hold.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;

use crate::cty::c_void;
use crate::helpers;
use crate::kernel::{Direct, Handle};

/// A kernel object that counts references: with [`counted!`](crate::counted), a handle becomes one.
pub trait Counted: Handle<Mode = Direct> {
    /// Takes a reference, if the object is not going away already.
    fn acquire(self) -> Option<Owned<Self>>;
    /// Gives a reference back.
    #[doc(hidden)]
    fn release(self);
}

/// Says which kernel functions take and give back references to objects of a type that is declared
/// in [`kernel_types!`](crate::kernel_types).
///
/// ```
/// use hachi_ebpf::{KPtr, MapValue, Owned, counted, kernel_types, macros::map, maps::Array};
///
/// kernel_types! {
///     struct task_struct { pid: i32 }
///     kfunc bpf_task_from_pid(pid: i32) -> *mut task_struct;
/// }
/// counted! { task_struct: bpf_task_acquire, bpf_task_release; }
///
/// #[derive(MapValue)]
/// #[repr(C)]
/// struct Watched {
///     task: KPtr<task_struct>,
/// }
///
/// #[map]
/// static WATCHED: Array<Watched> = Array::with_max_entries(1, 0);
///
/// /// Keeps a task; the one that was there before goes.
/// fn watch(pid: i32) -> Option<()> {
///     let task = Owned::new(bpf_task_from_pid(pid)?);
///     drop(WATCHED.get(0)?.task.swap(Some(task)));
///     Some(())
/// }
/// ```
/// `task_struct` and `cgroup` are counted so since 6.2, `bpf_cpumask` since 6.3.
#[macro_export]
macro_rules! counted {
    ($($object:ident: $acquire:ident, $release:ident;)*) => { $(
        impl $crate::Counted for $object {
            #[inline(always)]
            fn acquire(self) -> ::core::option::Option<$crate::Owned<Self>> {
                let object = $crate::kernel::Handle::as_ptr(self);
                let object: *const $crate::cty::c_void = $crate::__call_kfunc!(
                    [safe]
                    concat!(
                        "kfunc:", stringify!($acquire), ":fn(*", stringify!($object), ")->*",
                        stringify!($object)
                    ),
                    (object: *const $crate::cty::c_void) *const $crate::cty::c_void
                );
                if object.is_null() {
                    ::core::option::Option::None
                } else {
                    let handle = $crate::kernel::Handle::from_ptr(object);
                    ::core::option::Option::Some($crate::Owned::new(handle))
                }
            }

            #[inline(always)]
            fn release(self) {
                let object = $crate::kernel::Handle::as_ptr(self);
                $crate::__call_kfunc!(
                    [safe]
                    concat!("kfunc:", stringify!($release), ":fn(*", stringify!($object), ")"),
                    (object: *const $crate::cty::c_void) ()
                )
            }
        }
    )* };
}

/// A reference to a kernel object, given back when it is dropped.
///
/// The verifier makes sure that it is, or is put away, on every way out of the program: one that is
/// forgotten is refused.
#[must_use = "dropped, it is given back"]
pub struct Owned<T: Counted>(T);

impl<T: Counted> Owned<T> {
    /// Owns the reference that a kernel function has just given with `object`. The verifier refuses
    /// to release what was not acquired.
    #[inline(always)]
    pub fn new(object: T) -> Self {
        Owned(object)
    }

    /// The object, whose reference is somebody else's to give back from now on: a kernel function's
    /// that takes it, say.
    #[inline(always)]
    pub fn into_inner(self) -> T {
        ManuallyDrop::new(self).0
    }
}

impl<T: Counted> Deref for Owned<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Counted> Drop for Owned<T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.release();
    }
}

/// A place for a reference to a kernel object in the value of a map: a kptr (6.2; what it holds is
/// given back when the value goes away).
///
/// `T` must have the kernel's name for the type. In user space the eight bytes are zeros.
#[repr(transparent)]
pub struct KPtr<T> {
    // By this name the linker knows what it has to describe as a kptr.
    hachi_kptr: UnsafeCell<*mut c_void>,
    object: PhantomData<T>,
}

// SAFETY: only the kernel exchanges the pointer, atomically.
unsafe impl<T> Sync for KPtr<T> {}

crate::maps::in_place!(KPtr<T>, [T: 'static]);

impl<T: Counted> KPtr<T> {
    /// Puts a reference in, or nothing, and gives what was there (`bpf_kptr_xchg`, 5.19).
    #[inline(always)]
    pub fn swap(&self, new: Option<Owned<T>>) -> Option<Owned<T>> {
        let new = match new {
            Some(owned) => owned.into_inner().as_ptr().cast_mut(),
            None => core::ptr::null_mut(),
        };
        // SAFETY: the verifier makes sure that this is a kptr of the type in the value of a map,
        // and that the program owns what it puts in.
        let old = unsafe { helpers::bpf_kptr_xchg(self.hachi_kptr.get().cast(), new) };
        if old.is_null() {
            None
        } else {
            Some(Owned::new(T::from_ptr(old)))
        }
    }

    /// Takes out what is there.
    #[inline(always)]
    pub fn take(&self) -> Option<Owned<T>> {
        self.swap(None)
    }

    /// Looks at what is there, which others may take out at any time: it stays as long as the RCU
    /// lock is held, and [`acquire`](Counted::acquire) makes it one's own.
    #[inline(always)]
    pub fn get(&self) -> Option<T> {
        // SAFETY: the place is one in a value. Volatile because others write there.
        let object = unsafe { self.hachi_kptr.get().read_volatile() };
        if object.is_null() {
            None
        } else {
            Some(T::from_ptr(object))
        }
    }
}
