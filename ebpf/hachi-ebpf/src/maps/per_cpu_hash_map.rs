//! `BPF_MAP_TYPE_PERCPU_HASH` and `BPF_MAP_TYPE_LRU_PERCPU_HASH`

use core::borrow::Borrow;

use super::def::{Map, Pinning};
use crate::bindings::bpf_map_type::{BPF_MAP_TYPE_LRU_PERCPU_HASH, BPF_MAP_TYPE_PERCPU_HASH};
use crate::cty::c_long;

macro_rules! per_cpu_hash_map {
    ($(#[$doc:meta])* $name:ident = $kind:ident, full: $full:literal) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name<K, V> {
            def: Map<K, V>,
        }

        impl<K, V> $name<K, V> {
            /// A map of up to `max_entries` keys; `flags` are those of map creation (`BPF_F_…`),
            /// usually 0.
            pub const fn with_max_entries(max_entries: u32, flags: u32) -> Self {
                $name { def: Map::new($kind, max_entries, flags, Pinning::None) }
            }

            /// The same, pinned by its name: loaded a second time, it is the map that is there
            /// already.
            pub const fn pinned(max_entries: u32, flags: u32) -> Self {
                $name { def: Map::new($kind, max_entries, flags, Pinning::ByName) }
            }

            /// This CPU's value of `key`.
            #[inline(always)]
            pub fn get(&self, key: impl Borrow<K>) -> Option<&V> {
                self.def.get(key.borrow())
            }

            /// A pointer to this CPU's value of `key`.
            #[inline(always)]
            pub fn get_ptr(&self, key: impl Borrow<K>) -> Option<*const V> {
                self.def.lookup(key.borrow()).map(|value| value.cast_const())
            }

            /// A pointer to this CPU's value of `key`, to write through.
            #[inline(always)]
            pub fn get_ptr_mut(&self, key: impl Borrow<K>) -> Option<*mut V> {
                self.def.lookup(key.borrow())
            }

            /// Replaces this CPU's value of `key` by what `change` makes of it; `None`, with
            /// nothing done, when there is no such key.
            ///
            /// Programs that may interrupt each other on one CPU (as tracing programs do) can lose
            /// an update.
            #[inline(always)]
            pub fn update(&self, key: impl Borrow<K>, change: impl FnOnce(V) -> V) -> Option<()>
            where
                V: Copy,
            {
                self.def.update(key.borrow(), change)
            }

            /// Gives `key` the value `value` on this CPU; a new key has zeros on the others.
            /// `flags` is `BPF_ANY` (0), `BPF_NOEXIST` or `BPF_EXIST`.
            ///
            /// # Errors
            #[doc = $full]
            /// `-EEXIST` or `-ENOENT` as the flags say.
            #[inline(always)]
            pub fn insert(&self, key: impl Borrow<K>, value: impl Borrow<V>, flags: u64) -> Result<(), c_long> {
                self.def.insert(key.borrow(), value.borrow(), flags)
            }

            /// Removes `key` and its values on all CPUs.
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

per_cpu_hash_map! {
    /// A hash table in which each CPU has values of its own (4.6).
    ///
    /// All bytes of a key count, so a key type must have no padding: derive [`Pod`](crate::Pod).
    PerCpuHashMap = BPF_MAP_TYPE_PERCPU_HASH, full: "`-E2BIG` when the map is full,"
}

per_cpu_hash_map! {
    /// A hash table in which each CPU has values of its own, and which makes room for a new entry
    /// by removing one that was not used lately (4.10).
    ///
    /// All bytes of a key count, so a key type must have no padding: derive [`Pod`](crate::Pod).
    LruPerCpuHashMap = BPF_MAP_TYPE_LRU_PERCPU_HASH, full: "`-ENOMEM` when no entry could be freed,"
}
