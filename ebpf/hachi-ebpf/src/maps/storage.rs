//! Local storage: a value for each socket, task, inode or cgroup, which goes when that goes.
//!
//! One file for the four kinds: they differ in what the value belongs to only.

use core::borrow::Borrow;
use core::ptr::null_mut;

use super::def::{cell, look, non_null};
use crate::bindings::{BPF_F_NO_PREALLOC, BPF_LOCAL_STORAGE_GET_F_CREATE};
use crate::cty::{c_long, c_void};
use crate::{MapValue, helpers};

macro_rules! storage {
    (
        $(#[$doc:meta])*
        $name:ident = $kind:ident, of: $owner:ident $of:literal,
        $get:ident $delete:ident
    ) => {
        $(#[$doc])*
        ///
        /// What it belongs to is given as a pointer that the kernel gave; the verifier takes no
        /// other.
        #[repr(transparent)]
        pub struct $name<V: MapValue> {
            def: super::def::Map<i32, V>,
        }

        impl<V: MapValue> $name<V> {
            /// An empty map; `flags` are those of map creation, usually 0. `BPF_F_NO_PREALLOC`,
            /// which the kernel demands for this kind, is added.
            pub const fn new(flags: u32) -> Self {
                $name {
                    def: super::def::Map::new(super::def::MapDef::new(
                        crate::bindings::bpf_map_type::$kind,
                        0,
                        flags | BPF_F_NO_PREALLOC,
                        super::def::Pinning::None,
                    )),
                }
            }

            /// The same, pinned by its name: loaded a second time, it is the map that is there
            /// already.
            pub const fn pinned(flags: u32) -> Self {
                $name {
                    def: super::def::Map::new(super::def::MapDef::new(
                        crate::bindings::bpf_map_type::$kind,
                        0,
                        flags | BPF_F_NO_PREALLOC,
                        super::def::Pinning::ByName,
                    )),
                }
            }

            /// The map as the helpers take it.
            #[inline(always)]
            pub fn as_ptr(&self) -> *mut c_void {
                self.def.as_ptr()
            }

            #[doc = concat!("The value of the ", $of, "; `None` when it has none.")]
            ///
            /// A copy of plain data, a reference to what is made to be shared: see
            /// [`MapValue`](crate::MapValue).
            #[inline(always)]
            pub fn get<T>(&self, $owner: *mut T) -> Option<V::Ref<'_>> {
                // SAFETY: the kernel gave the pointer.
                self.get_ptr_mut($owner).map(|value| unsafe { look(value) })
            }

            #[doc = concat!("The value of the ", $of, ", in place; `None` when it has none.")]
            #[inline(always)]
            pub fn cell<T>(&self, $owner: *mut T) -> Option<&V::Cell> {
                // SAFETY: the kernel gave the pointer.
                self.get_ptr_mut($owner).map(|value| unsafe { cell(value) })
            }

            #[doc = concat!("A pointer to the value of the ", $of, ", to write through.")]
            ///
            /// `None` when it has none.
            #[inline(always)]
            pub fn get_ptr_mut<T>(&self, $owner: *mut T) -> Option<*mut V> {
                // SAFETY: the map is one of the object's; the verifier checks what the pointer is
                // to.
                non_null(unsafe {
                    helpers::$get(self.as_ptr(), $owner.cast(), null_mut(), 0)
                })
            }

            #[doc = concat!("The value of the ", $of, ", which is `initial` if it had none.")]
            ///
            #[doc = concat!("`None` when there is no memory for it, or no such ", $of, ".")]
            #[inline(always)]
            pub fn get_or_insert<T>(
                &self,
                $owner: *mut T,
                initial: impl Borrow<V>,
            ) -> Option<V::Ref<'_>> {
                // SAFETY: the kernel gave the pointer.
                self.or_insert($owner, initial.borrow()).map(|value| unsafe { look(value) })
            }

            /// As [`get_or_insert`](Self::get_or_insert), in place.
            #[inline(always)]
            pub fn cell_or_insert<T>(
                &self,
                $owner: *mut T,
                initial: impl Borrow<V>,
            ) -> Option<&V::Cell> {
                // SAFETY: the kernel gave the pointer.
                self.or_insert($owner, initial.borrow()).map(|value| unsafe { cell(value) })
            }

            #[inline(always)]
            fn or_insert<T>(&self, $owner: *mut T, initial: &V) -> Option<*mut V> {
                // SAFETY: as above; the initial value is readable for its size.
                non_null(unsafe {
                    helpers::$get(
                        self.as_ptr(),
                        $owner.cast(),
                        (&raw const *initial).cast_mut().cast(),
                        BPF_LOCAL_STORAGE_GET_F_CREATE,
                    )
                })
            }

            #[doc = concat!("Removes the value of the ", $of, ".")]
            ///
            /// # Errors
            /// `-ENOENT` when it has none.
            #[inline(always)]
            pub fn delete<T>(&self, $owner: *mut T) -> Result<(), c_long> {
                // SAFETY: as above.
                helpers::check(unsafe { helpers::$delete(self.as_ptr(), $owner.cast()) }.into())
            }
        }
    };
}

storage! {
    /// A value for each socket (5.2).
    SkStorage = BPF_MAP_TYPE_SK_STORAGE, of: socket "socket",
    bpf_sk_storage_get bpf_sk_storage_delete
}

storage! {
    /// A value for each inode, for LSM programs (5.10).
    InodeStorage = BPF_MAP_TYPE_INODE_STORAGE, of: inode "inode",
    bpf_inode_storage_get bpf_inode_storage_delete
}

storage! {
    /// A value for each task (5.11).
    ///
    /// ```
    /// use hachi_ebpf::helpers::bpf_get_current_task_btf;
    /// use hachi_ebpf::{macros::map, maps::TaskStorage};
    ///
    /// #[map]
    /// static CALLS: TaskStorage<u64> = TaskStorage::new(0);
    ///
    /// /// Counts for the thread that runs; its number goes with it.
    /// fn count() {
    ///     if let Some(calls) = CALLS.cell_or_insert(bpf_get_current_task_btf(), &0) {
    ///         calls.set(calls.get() + 1);
    ///     }
    /// }
    /// ```
    TaskStorage = BPF_MAP_TYPE_TASK_STORAGE, of: task "task",
    bpf_task_storage_get bpf_task_storage_delete
}

storage! {
    /// A value for each cgroup (6.2).
    CgrpStorage = BPF_MAP_TYPE_CGRP_STORAGE, of: cgroup "cgroup",
    bpf_cgrp_storage_get bpf_cgrp_storage_delete
}
