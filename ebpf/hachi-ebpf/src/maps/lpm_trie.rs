//! `BPF_MAP_TYPE_LPM_TRIE`

use core::borrow::Borrow;

pub use hachi_common::lpm_trie::Key;

use crate::bindings::BPF_F_NO_PREALLOC;

map_kind! {
    /// A map from prefixes to values, in which a lookup finds the longest prefix that covers what
    /// is looked for (4.11). That key's `prefix_len` limits how long a prefix may be: all bits,
    /// usually.
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
    /// The flag `BPF_F_NO_PREALLOC`, which the kernel demands for this kind, is added.
    LpmTrie<K: Pod, V: MapValue> = BPF_MAP_TYPE_LPM_TRIE(Key<K> => V),
    flags: BPF_F_NO_PREALLOC,
    entries: "up to `max_entries` prefixes"
}

map_values! {
    [K: Pod, V: MapValue] LpmTrie<K, V>: (key: impl Borrow<Key<K>> => key.borrow()) -> V,
    "value of the longest prefix that covers `key`",
    none: "when none does",
    values: shared
}

map_entries! {
    [K: Pod, V: MapValue] LpmTrie<K, V>: Key<K> => V, of: "",
    full: "`-ENOSPC` when the map is full, `-EINVAL` when the prefix is longer than the key,"
}
