//! `BPF_MAP_TYPE_HASH` and `BPF_MAP_TYPE_LRU_HASH`

use core::borrow::Borrow;

use super::def::{Map, Pinning};
use crate::bindings::bpf_map_type::{BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH};
use crate::cty::c_long;

macro_rules! hash_map {
    ($(#[$doc:meta])* $name:ident = $kind:ident, full: $full:literal) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name<K, V> {
            def: Map<K, V>,
        }

        impl<K, V> $name<K, V> {
            /// A map of up to `max_entries` entries; `flags` are those of map creation (`BPF_F_…`),
            /// usually 0.
            pub const fn with_max_entries(max_entries: u32, flags: u32) -> Self {
                $name { def: Map::new($kind, max_entries, flags, Pinning::None) }
            }

            /// The same, pinned by its name: loaded a second time, it is the map that is there
            /// already.
            pub const fn pinned(max_entries: u32, flags: u32) -> Self {
                $name { def: Map::new($kind, max_entries, flags, Pinning::ByName) }
            }

            /// The value of `key`.
            #[inline(always)]
            pub fn get(&self, key: impl Borrow<K>) -> Option<&V> {
                self.def.get(key.borrow())
            }

            /// A pointer to the value of `key`.
            #[inline(always)]
            pub fn get_ptr(&self, key: impl Borrow<K>) -> Option<*const V> {
                self.def.lookup(key.borrow()).map(|value| value.cast_const())
            }

            /// A pointer to the value of `key`, to write through.
            #[inline(always)]
            pub fn get_ptr_mut(&self, key: impl Borrow<K>) -> Option<*mut V> {
                self.def.lookup(key.borrow())
            }

            /// Replaces the value of `key` by what `change` makes of it; `None`, with nothing done,
            /// when there is no such key.
            ///
            /// This is a read and a write, not one atomic step: when two CPUs do it at once, one of
            /// the changes may be lost. Exact counts take a
            /// [`PerCpuHashMap`](super::PerCpuHashMap).
            #[inline(always)]
            pub fn update(&self, key: impl Borrow<K>, change: impl FnOnce(V) -> V) -> Option<()>
            where
                V: Copy,
            {
                self.def.update(key.borrow(), change)
            }

            /// Gives `key` the value `value`; `flags` is `BPF_ANY` (0), `BPF_NOEXIST` or
            /// `BPF_EXIST`.
            ///
            /// # Errors
            #[doc = $full]
            /// `-EEXIST` or `-ENOENT` as the flags say.
            #[inline(always)]
            pub fn insert(&self, key: impl Borrow<K>, value: impl Borrow<V>, flags: u64) -> Result<(), c_long> {
                self.def.insert(key.borrow(), value.borrow(), flags)
            }

            /// Removes `key` and its value.
            ///
            /// # Errors
            /// `-ENOENT` when there is no such key.
            #[inline(always)]
            pub fn remove(&self, key: impl Borrow<K>) -> Result<(), c_long> {
                self.def.remove(key.borrow())
            }
        }
    };
}

hash_map! {
    /// A hash table (3.19).
    ///
    /// All bytes of a key count, so a key type must have no padding: derive [`Pod`](crate::Pod).
    HashMap = BPF_MAP_TYPE_HASH, full: "`-E2BIG` when the map is full,"
}

hash_map! {
    /// A hash table that makes room for a new entry by removing one that was not used lately
    /// (4.10).
    ///
    /// All bytes of a key count, so a key type must have no padding: derive [`Pod`](crate::Pod).
    LruHashMap = BPF_MAP_TYPE_LRU_HASH, full: "`-ENOMEM` when no entry could be freed,"
}
