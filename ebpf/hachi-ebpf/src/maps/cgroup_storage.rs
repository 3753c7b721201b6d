//! `BPF_MAP_TYPE_CGROUP_STORAGE` and `BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE`

use core::marker::PhantomData;

use super::def::{Map, MapDef, Pinning, cell, look};
use crate::cty::c_void;
use crate::{MapValue, Shareable, helpers};

/// What the value of a [`CgroupStorage`] belongs to: a cgroup and the type of attachment
/// (`struct bpf_cgroup_storage_key`).
///
/// The alternative is `u64`: a value for each cgroup, whatever the type of attachment (5.9).
#[derive(Debug)]
#[repr(C)]
pub struct CgroupStorageKey {
    cgroup_inode_id: u64,
    attach_type: u32,
}

mod sealed {
    pub trait Key {}
    impl Key for super::CgroupStorageKey {}
    impl Key for u64 {}
}

macro_rules! cgroup_storage {
    ($(#[$doc:meta])* $name:ident = $kind:ident) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name<V: MapValue, K: sealed::Key = CgroupStorageKey> {
            def: Map<K, V>,
            key: PhantomData<K>,
        }

        impl<V: MapValue, K: sealed::Key> $name<V, K> {
            const fn define(flags: u32, pinning: Pinning) -> Self {
                $name {
                    def: Map::new(MapDef::new(
                        crate::bindings::bpf_map_type::$kind,
                        0,
                        flags,
                        pinning,
                    )),
                    key: PhantomData,
                }
            }

            /// An empty map; `flags` are those of map creation, usually 0.
            pub const fn new(flags: u32) -> Self {
                $name::define(flags, Pinning::None)
            }

            /// The same, pinned by its name: loaded a second time, it is the map that is there
            /// already.
            pub const fn pinned(flags: u32) -> Self {
                $name::define(flags, Pinning::ByName)
            }

            /// The map as the helpers take it.
            #[inline(always)]
            pub fn as_ptr(&self) -> *mut c_void {
                self.def.as_ptr()
            }

            #[inline(always)]
            fn place(&self) -> *mut V {
                // SAFETY: the map is one of the object's.
                let value = unsafe { helpers::bpf_get_local_storage(self.as_ptr(), 0) };
                // In a kernel it never is.
                #[cfg(not(hachi_bpf))]
                assert!(!value.is_null(), "there are no cgroups without a kernel");
                value.cast()
            }

            /// The value of the cgroup that the program is attached to: all zeros at first.
            ///
            /// A copy of plain data, a reference to what is made to be shared: see [`MapValue`].
            #[inline(always)]
            pub fn get(&self) -> V::Ref<'_> {
                // SAFETY: the kernel gave the pointer.
                unsafe { look(self.place()) }
            }

            /// The value of the cgroup that the program is attached to, in place.
            #[inline(always)]
            pub fn cell(&self) -> &V::Cell {
                // SAFETY: the kernel gave the pointer.
                unsafe { cell(self.place()) }
            }

            /// A pointer to the value of the cgroup that the program is attached to, to write
            /// through.
            #[inline(always)]
            pub fn get_ptr_mut(&self) -> *mut V {
                self.place()
            }

            /// Replaces the value of the cgroup that the program is attached to by what `change`
            /// makes of it. This is a read and a write, not one atomic step.
            #[inline(always)]
            pub fn update(&self, change: impl FnOnce(V::Read) -> V)
            where
                V: Shareable,
            {
                // SAFETY: the kernel gave the pointer.
                unsafe { super::def::change(self.place(), change) }
            }
        }
    };
}

cgroup_storage! {
    /// A value for each cgroup that a program with this map is attached to, made when it is
    /// attached and gone when it is detached (4.19). For programs of cgroups only, each of which
    /// has at most one such map.
    ///
    /// [`CgrpStorage`](super::CgrpStorage) is newer (6.2): it is for all programs and any cgroup.
    ///
    /// ```
    /// use hachi_ebpf::{atomic::{AtomicU64, Ordering}, macros::{cgroup_skb, map}};
    /// use hachi_ebpf::{maps::CgroupStorage, programs::SkBuffContext};
    ///
    /// #[map]
    /// static BYTES: CgroupStorage<AtomicU64> = CgroupStorage::new(0);
    ///
    /// #[cgroup_skb(egress)]
    /// fn count(ctx: SkBuffContext) -> i32 {
    ///     BYTES.get().fetch_add(u64::from(ctx.len()), Ordering::Relaxed);
    ///     1
    /// }
    /// # fn main() {}
    /// ```
    CgroupStorage = BPF_MAP_TYPE_CGROUP_STORAGE
}

cgroup_storage! {
    /// As [`CgroupStorage`], with a value for each CPU (4.20).
    PerCpuCgroupStorage = BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE
}
