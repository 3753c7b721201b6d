//! `BPF_MAP_TYPE_LPM_TRIE`

use core::borrow::Borrow;

pub use hachi_common::lpm_trie::Key;

use super::def::{Map, Pinning};
use crate::bindings::BPF_F_NO_PREALLOC;
use crate::bindings::bpf_map_type::BPF_MAP_TYPE_LPM_TRIE;
use crate::cty::c_long;

/// A map from prefixes to values, in which a lookup finds the longest prefix that covers what is
/// looked for (4.11).
///
/// ```
/// use hachi_ebpf::{macros::map, maps::lpm_trie::{Key, LpmTrie}};
///
/// #[map]
/// static BLOCKED: LpmTrie<[u8; 4], u32> = LpmTrie::with_max_entries(1024, 0);
///
/// fn blocked(address: [u8; 4]) -> bool {
///     BLOCKED.get(Key::new(32, address)).is_some()
/// }
/// ```
#[repr(transparent)]
pub struct LpmTrie<K, V> {
    def: Map<Key<K>, V>,
}

impl<K, V> LpmTrie<K, V> {
    /// A map of up to `max_entries` prefixes; `flags` are those of map creation (`BPF_F_…`).
    /// `BPF_F_NO_PREALLOC`, which the kernel demands for this type, is added.
    pub const fn with_max_entries(max_entries: u32, flags: u32) -> Self {
        let flags = flags | BPF_F_NO_PREALLOC;
        LpmTrie {
            def: Map::new(BPF_MAP_TYPE_LPM_TRIE, max_entries, flags, Pinning::None),
        }
    }

    /// The same, pinned by its name: loaded a second time, it is the map that is there already.
    pub const fn pinned(max_entries: u32, flags: u32) -> Self {
        let flags = flags | BPF_F_NO_PREALLOC;
        LpmTrie {
            def: Map::new(BPF_MAP_TYPE_LPM_TRIE, max_entries, flags, Pinning::ByName),
        }
    }

    /// The value of the longest prefix that covers `key`, whose `prefix_len` limits how long a
    /// prefix may be: all bits, usually.
    #[inline(always)]
    pub fn get(&self, key: impl Borrow<Key<K>>) -> Option<&V> {
        self.def.get(key.borrow())
    }

    /// A pointer to the value that [`get`](Self::get) finds.
    #[inline(always)]
    pub fn get_ptr(&self, key: impl Borrow<Key<K>>) -> Option<*const V> {
        self.def
            .lookup(key.borrow())
            .map(|value| value.cast_const())
    }

    /// A pointer to the value that [`get`](Self::get) finds, to write through.
    #[inline(always)]
    pub fn get_ptr_mut(&self, key: impl Borrow<Key<K>>) -> Option<*mut V> {
        self.def.lookup(key.borrow())
    }

    /// Gives the prefix `key` the value `value`; `flags` is `BPF_ANY` (0), `BPF_NOEXIST` or
    /// `BPF_EXIST`.
    ///
    /// # Errors
    /// `-ENOSPC` when the map is full, `-EINVAL` when the prefix is longer than the key, `-EEXIST`
    /// or `-ENOENT` as the flags say.
    #[inline(always)]
    pub fn insert(
        &self,
        key: impl Borrow<Key<K>>,
        value: impl Borrow<V>,
        flags: u64,
    ) -> Result<(), c_long> {
        self.def.insert(key.borrow(), value.borrow(), flags)
    }

    /// Removes exactly the prefix `key`.
    ///
    /// # Errors
    /// `-ENOENT` when there is no such prefix.
    #[inline(always)]
    pub fn remove(&self, key: impl Borrow<Key<K>>) -> Result<(), c_long> {
        self.def.remove(key.borrow())
    }
}
