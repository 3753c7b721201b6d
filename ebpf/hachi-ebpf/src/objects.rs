//! Objects that programs make, and lists and trees of them (6.6).
//!
//! A program allocates an object, owns it, and gives it away to a list or a tree in the value of a
//! map, under the lock of that value; anyone who takes it out owns it again. The verifier follows
//! who owns what: an object is dropped, or given away, on every way out.
//!
//! ```
//! use hachi_ebpf::{Pod, macros::map, maps::Array, objects::{ListItem, LockedList, Object, item}};
//!
//! #[derive(Clone, Copy, Pod)]
//! #[repr(C)]
//! struct Job {
//!     number: u64,
//! }
//! item!(Job);
//!
//! #[map]
//! static JOBS: Array<LockedList<Job>> = Array::with_max_entries(1, 0);
//!
//! fn add(number: u64) -> Option<()> {
//!     let job = Object::<ListItem<Job>>::new(Job { number })?;
//!     JOBS.get(0)?.lock().push_back(job).ok()
//! }
//!
//! fn next() -> Option<u64> {
//!     // The lock is given back at the end of the statement: an object cannot be dropped before.
//!     let job = JOBS.get(0)?.lock().pop_front();
//!     job.map(|job| job.number)
//! }
//! ```
//! What goes for [`Locked`](crate::sync::Locked) goes here as well: while the lock is held, nothing
//! else may be called, no object made or dropped, and nothing may panic. Programs may be of most
//! types, tracing programs that use a spin lock excepted.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};

use crate::cty::c_long;
#[cfg(hachi_bpf)]
use crate::cty::c_void;
use crate::sync::bpf_spin_lock;
use crate::{MapValue, Pod, helpers};

pub use crate::item;

/// What lists and trees can hold: plain data, whose name the linker gets by
/// [`item!`](crate::item).
///
/// # Safety
/// The two must be the numbers of the types `ListItem<Self>` and `TreeItem<Self>` in the object's
/// type information.
pub unsafe trait Item: Pod {
    /// The number of `ListItem<Self>`.
    #[doc(hidden)]
    fn list_item() -> u64;
    /// The number of `TreeItem<Self>`.
    #[doc(hidden)]
    fn tree_item() -> u64;
}

/// Lets objects of a type be made, for lists and trees: `item!(Job);`.
///
/// The type is a struct of the program's own, without parameters; no other type that is used so has
/// the same name, in whatever module.
#[macro_export]
macro_rules! item {
    ($name:ident) => {
        // SAFETY: the linker puts the numbers of these types in the place of the questions.
        unsafe impl $crate::objects::Item for $name {
            #[inline(always)]
            fn list_item() -> u64 {
                $crate::__question!("type_id_local:struct:ListItem_", ::core::stringify!($name))
            }

            #[inline(always)]
            fn tree_item() -> u64 {
                $crate::__question!("type_id_local:struct:TreeItem_", ::core::stringify!($name))
            }
        }
    };
}

/// The place in an object by which a list holds it, by the name that the kernel looks for.
#[allow(non_camel_case_types, reason = "C's own name")]
#[repr(C)]
pub struct bpf_list_node([u64; 3]);

/// The place in an object by which a tree holds it, by the name that the kernel looks for.
#[allow(non_camel_case_types, reason = "C's own name")]
#[repr(C)]
pub struct bpf_rb_node([u64; 4]);

/// What objects can be: [`ListItem`]s and [`TreeItem`]s.
pub trait Allocated: sealed::Sealed {
    /// The data in it.
    type Value: Pod;
    #[doc(hidden)]
    fn type_id() -> u64;
    #[doc(hidden)]
    fn value(this: *mut Self) -> *mut Self::Value;
}

mod sealed {
    pub trait Sealed {}
    impl<T: super::Item> Sealed for super::ListItem<T> {}
    impl<T: super::Item> Sealed for super::TreeItem<T> {}
}

macro_rules! allocated {
    ($(#[$doc:meta])* $name:ident($node:ident), $type_id:ident) => {
        $(#[$doc])*
        #[repr(C)]
        pub struct $name<T: Item> {
            // Lists and trees name it: it is the first, so that its address is the object's.
            node: $node,
            value: T,
        }

        impl<T: Item> Allocated for $name<T> {
            type Value = T;

            #[inline(always)]
            fn type_id() -> u64 {
                const {
                    assert!(
                        align_of::<T>() <= 8,
                        "objects are aligned to 8 bytes, and this type wants more"
                    );
                }
                T::$type_id()
            }

            #[inline(always)]
            fn value(this: *mut Self) -> *mut T {
                // Not a place in memory that is looked at: an address.
                this.wrapping_byte_add(core::mem::offset_of!(Self, value)).cast()
            }
        }
    };
}

allocated! {
    /// An item of a [`LockedList`].
    ListItem(bpf_list_node), list_item
}

allocated! {
    /// An item of a [`LockedTree`].
    TreeItem(bpf_rb_node), tree_item
}

/// An object that the program owns: dropped, it is freed (`bpf_obj_new`, 6.2).
#[must_use = "dropped, it is freed at once"]
pub struct Object<A: Allocated> {
    at: *mut A,
    of: PhantomData<A>,
}

impl<A: Allocated> Object<A> {
    /// A new object with this value; `None` when there is no memory.
    #[inline(always)]
    pub fn new(value: A::Value) -> Option<Self> {
        let at: *mut A = kernel::new(A::type_id());
        if at.is_null() {
            return None;
        }
        // SAFETY: the object is new, and has room for the value, aligned.
        unsafe { A::value(at).write(value) };
        Some(Object {
            at,
            of: PhantomData,
        })
    }

    /// The object that a list or tree gives back.
    ///
    /// # Safety
    /// It must be null, or an object that nobody else owns.
    #[inline(always)]
    unsafe fn owned(at: *mut A) -> Option<Self> {
        if at.is_null() {
            return None;
        }
        Some(Object {
            at,
            of: PhantomData,
        })
    }

    /// The object, which is somebody else's to free from now on.
    #[inline(always)]
    fn into_inner(self) -> *mut A {
        ManuallyDrop::new(self).at
    }
}

impl<A: Allocated> Deref for Object<A> {
    type Target = A::Value;

    #[inline(always)]
    fn deref(&self) -> &A::Value {
        // SAFETY: the object is there, its value was written, and nobody else has it.
        unsafe { &*A::value(self.at) }
    }
}

impl<A: Allocated> DerefMut for Object<A> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut A::Value {
        // SAFETY: as in `deref`.
        unsafe { &mut *A::value(self.at) }
    }
}

impl<A: Allocated> Drop for Object<A> {
    #[inline(always)]
    fn drop(&mut self) {
        kernel::drop(self.at);
    }
}

/// The head of a list. The linker makes the kernel's `bpf_list_head` of it, and tells the kernel
/// what it holds.
#[repr(C)]
struct ListHead<T: Item> {
    words: UnsafeCell<[u64; 2]>,
    // By this name the linker knows it.
    hachi_contains: [ListItem<T>; 0],
}

/// The root of a tree, as [`ListHead`].
#[repr(C)]
struct TreeRoot<T: Item> {
    words: UnsafeCell<[u64; 2]>,
    // By this name the linker knows it.
    hachi_contains: [TreeItem<T>; 0],
}

macro_rules! locked {
    (
        $(#[$doc:meta])* $name:ident($head:ident) $way:ident $guard:ident, $what:literal
    ) => {
        $(#[$doc])*
        #[repr(C)]
        pub struct $name<T: Item> {
            lock: bpf_spin_lock,
            unused: u32,
            head: $head<T>,
        }

        // SAFETY: what it holds is reached only with the lock held.
        unsafe impl<T: Item> Sync for $name<T> {}

        // SAFETY: it is a lock and what the kernel alone looks at; there is no padding.
        unsafe impl<T: Item + 'static> MapValue for $name<T> {
            type Ref<'a> = $way<'a, T>;
            type Cell = Self;

            #[inline(always)]
            unsafe fn look<'a>(place: *mut Self) -> $way<'a, T> {
                // SAFETY: the caller's promise.
                $way(unsafe { &*place })
            }
        }

        #[doc = concat!("The way to the lock of a ", $what, ", once.")]
        #[must_use = "it locks nothing yet"]
        pub struct $way<'a, T: Item>(&'a $name<T>);

        impl<'a, T: Item> $way<'a, T> {
            /// Takes the lock, which is given back when the guard is dropped.
            ///
            /// # Panics
            /// On the development machine, if it is held already: a kernel would not load the
            /// program.
            #[inline(always)]
            pub fn lock(self) -> $guard<'a, T> {
                self.0.lock.acquire();
                $guard(self.0)
            }
        }

        #[doc = concat!("A ", $what, " whose lock is held.")]
        #[must_use = "dropped, it unlocks at once"]
        pub struct $guard<'a, T: Item>(&'a $name<T>);

        impl<T: Item> $guard<'_, T> {
            #[inline(always)]
            fn head(&self) -> *mut [u64; 2] {
                self.0.head.words.get()
            }
        }

        impl<T: Item> Drop for $guard<'_, T> {
            #[inline(always)]
            fn drop(&mut self) {
                self.0.lock.release();
            }
        }
    };
}

locked! {
    /// A list of objects with a lock around it, for the values of hash tables, arrays and storage
    /// maps (6.6). What is in it when the value goes away is freed. In user space its 24 bytes are
    /// zeros.
    LockedList(ListHead) ListLock ListGuard, "list"
}

impl<T: Item> ListGuard<'_, T> {
    /// Puts an object first (`bpf_list_push_front`).
    ///
    /// # Errors
    /// None that are known.
    #[inline(always)]
    pub fn push_front(&mut self, item: Object<ListItem<T>>) -> Result<(), c_long> {
        helpers::check(kernel::push(self.head(), item.into_inner(), true).into())
    }

    /// Puts an object last (`bpf_list_push_back`).
    ///
    /// # Errors
    /// None that are known.
    #[inline(always)]
    pub fn push_back(&mut self, item: Object<ListItem<T>>) -> Result<(), c_long> {
        helpers::check(kernel::push(self.head(), item.into_inner(), false).into())
    }

    /// Takes the first object out (`bpf_list_pop_front`); `None` when the list is empty.
    #[inline(always)]
    pub fn pop_front(&mut self) -> Option<Object<ListItem<T>>> {
        // SAFETY: what was in the list nobody else owns.
        unsafe { Object::owned(kernel::pop(self.head(), true)) }
    }

    /// Takes the last object out (`bpf_list_pop_back`); `None` when the list is empty.
    #[inline(always)]
    pub fn pop_back(&mut self) -> Option<Object<ListItem<T>>> {
        // SAFETY: what was in the list nobody else owns.
        unsafe { Object::owned(kernel::pop(self.head(), false)) }
    }
}

locked! {
    /// A tree of objects with a lock around it, in the order of their values, for the values of
    /// hash tables, arrays and storage maps (6.6). What is in it when the value goes away is freed.
    /// In user space its 24 bytes are zeros.
    LockedTree(TreeRoot) TreeLock TreeGuard, "tree"
}

impl<T: Item + Ord> TreeGuard<'_, T> {
    /// Puts an object in, behind those that are equal (`bpf_rbtree_add`).
    ///
    /// # Errors
    /// None that are known.
    #[inline(always)]
    pub fn add(&mut self, item: Object<TreeItem<T>>) -> Result<(), c_long> {
        helpers::check(kernel::add(self.head(), item.into_inner()).into())
    }

    /// The value of the first object (`bpf_rbtree_first`); `None` when the tree is empty.
    #[inline(always)]
    pub fn first(&self) -> Option<&T> {
        let first: *mut TreeItem<T> = kernel::first(self.head());
        // SAFETY: the object stays where it is while the lock is held and nothing is taken out.
        (!first.is_null()).then(|| unsafe { &*TreeItem::value(first) })
    }

    /// Takes the first object out (`bpf_rbtree_remove`); `None` when the tree is empty.
    #[inline(always)]
    pub fn remove_first(&mut self) -> Option<Object<TreeItem<T>>> {
        let first: *mut TreeItem<T> = kernel::first(self.head());
        if first.is_null() {
            return None;
        }
        // SAFETY: what was in the tree nobody else owns.
        unsafe { Object::owned(kernel::remove(self.head(), first)) }
    }
}

/// The kernel's functions. A node is the first thing in an object, so that their addresses are one.
#[cfg(hachi_bpf)]
mod kernel {
    use super::*;

    type Ptr = *mut c_void;
    const NULL: Ptr = core::ptr::null_mut();

    #[inline(always)]
    pub fn new<A>(type_id: u64) -> *mut A {
        let meta = NULL;
        crate::__call_kfunc!([safe] "kfunc:bpf_obj_new_impl:fn(u64, *void) -> *void",
            (type_id: u64, meta: Ptr) Ptr)
        .cast()
    }

    #[inline(always)]
    pub fn drop<A>(object: *mut A) {
        let (object, meta): (Ptr, Ptr) = (object.cast(), NULL);
        crate::__call_kfunc!([safe] "kfunc:bpf_obj_drop_impl:fn(*void, *void)",
            (object: Ptr, meta: Ptr) ());
    }

    #[inline(always)]
    pub fn push<A>(head: *mut [u64; 2], node: *mut A, front: bool) -> i32 {
        let (head, node, meta, off): (Ptr, Ptr, Ptr, u64) = (head.cast(), node.cast(), NULL, 0);
        if front {
            crate::__call_kfunc!([safe]
                "kfunc:bpf_list_push_front_impl:\
                 fn(*bpf_list_head, *bpf_list_node, *void, u64) -> i32",
                (head: Ptr, node: Ptr, meta: Ptr, off: u64) i32)
        } else {
            crate::__call_kfunc!([safe]
                "kfunc:bpf_list_push_back_impl:\
                 fn(*bpf_list_head, *bpf_list_node, *void, u64) -> i32",
                (head: Ptr, node: Ptr, meta: Ptr, off: u64) i32)
        }
    }

    #[inline(always)]
    pub fn pop<A>(head: *mut [u64; 2], front: bool) -> *mut A {
        let head: Ptr = head.cast();
        let node = if front {
            crate::__call_kfunc!([safe]
                "kfunc:bpf_list_pop_front:fn(*bpf_list_head) -> *bpf_list_node", (head: Ptr) Ptr)
        } else {
            crate::__call_kfunc!([safe]
                "kfunc:bpf_list_pop_back:fn(*bpf_list_head) -> *bpf_list_node", (head: Ptr) Ptr)
        };
        node.cast()
    }

    #[inline(always)]
    pub fn add<T: Item + Ord>(root: *mut [u64; 2], node: *mut TreeItem<T>) -> i32 {
        let (root, node, meta, off): (Ptr, Ptr, Ptr, u64) = (root.cast(), node.cast(), NULL, 0);
        let less = crate::callback::address(less::<T> as *const ());
        crate::__call_kfunc!([safe]
            "kfunc:bpf_rbtree_add_impl:fn(*bpf_rb_root, *bpf_rb_node, \
             *fn(*bpf_rb_node, *bpf_rb_node) -> bool, *void, u64) -> i32",
            (root: Ptr, node: Ptr, less: Ptr, meta: Ptr, off: u64) i32)
    }

    /// Whether one object comes before another.
    unsafe extern "C" fn less<T: Item + Ord>(a: *mut TreeItem<T>, b: *mut TreeItem<T>) -> u64 {
        // SAFETY: the kernel gives two objects of the tree, or one that is to be in it.
        unsafe { u64::from(*TreeItem::value(a) < *TreeItem::value(b)) }
    }

    #[inline(always)]
    pub fn first<A>(root: *mut [u64; 2]) -> *mut A {
        let root: Ptr = root.cast();
        crate::__call_kfunc!([safe] "kfunc:bpf_rbtree_first:fn(*bpf_rb_root) -> *bpf_rb_node",
            (root: Ptr) Ptr)
        .cast()
    }

    #[inline(always)]
    pub fn remove<A>(root: *mut [u64; 2], node: *mut A) -> *mut A {
        let (root, node): (Ptr, Ptr) = (root.cast(), node.cast());
        crate::__call_kfunc!([safe]
            "kfunc:bpf_rbtree_remove:fn(*bpf_rb_root, *bpf_rb_node) -> *bpf_rb_node",
            (root: Ptr, node: Ptr) Ptr)
        .cast()
    }
}

/// What a test has in their place.
#[cfg(all(not(hachi_bpf), feature = "test"))]
use crate::test::objects as kernel;

/// Without a kernel no object is ever made.
#[cfg(all(not(hachi_bpf), not(feature = "test")))]
mod kernel {
    use super::{Item, TreeItem};
    use core::ptr::null_mut;

    pub fn new<A>(_type_id: u64) -> *mut A {
        null_mut()
    }
    pub fn drop<A>(_object: *mut A) {}
    pub fn push<A>(_head: *mut [u64; 2], _node: *mut A, _front: bool) -> i32 {
        crate::helpers::absent() as i32
    }
    pub fn pop<A>(_head: *mut [u64; 2], _front: bool) -> *mut A {
        null_mut()
    }
    pub fn add<T: Item + Ord>(_root: *mut [u64; 2], _node: *mut TreeItem<T>) -> i32 {
        crate::helpers::absent() as i32
    }
    pub fn first<A>(_root: *mut [u64; 2]) -> *mut A {
        null_mut()
    }
    pub fn remove<A>(_root: *mut [u64; 2], _node: *mut A) -> *mut A {
        null_mut()
    }
}
