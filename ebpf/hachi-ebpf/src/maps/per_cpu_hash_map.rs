//! `BPF_MAP_TYPE_PERCPU_HASH` and `BPF_MAP_TYPE_LRU_PERCPU_HASH`

use core::borrow::Borrow;

map_hash! {
    /// A hash table in which each CPU has values of its own (4.6).
    ///
    /// ```
    /// use hachi_ebpf::{macros::map, maps::PerCpuHashMap};
    ///
    /// #[map]
    /// static PACKETS: PerCpuHashMap<[u8; 4], u64> = PerCpuHashMap::with_max_entries(1024, 0);
    ///
    /// fn count(sender: [u8; 4]) {
    ///     let before = PACKETS.get(sender).unwrap_or(0);
    ///     let _ = PACKETS.insert(sender, before + 1, 0);
    /// }
    /// ```
    PerCpuHashMap = BPF_MAP_TYPE_PERCPU_HASH, "value of `key` on this CPU", values: per_cpu,
    of: " on this CPU, and if the key is new, zeros on the others",
    full: "`-E2BIG` when the map is full,"
}

map_per_cpu! {
    [K: Shareable, V: MapValue] PerCpuHashMap<K, V>: (key: impl Borrow<K> => key.borrow()) -> V
}

map_hash! {
    /// A hash table in which each CPU has values of its own, and which makes room for a new entry
    /// by removing one that was not used lately (4.10).
    ///
    /// ```
    /// use hachi_ebpf::{macros::map, maps::LruPerCpuHashMap};
    ///
    /// #[map]
    /// static PACKETS: LruPerCpuHashMap<[u8; 4], u64> =
    ///     LruPerCpuHashMap::with_max_entries(1024, 0);
    ///
    /// fn count(sender: [u8; 4]) {
    ///     let before = PACKETS.get(sender).unwrap_or(0);
    ///     let _ = PACKETS.insert(sender, before + 1, 0);
    /// }
    /// ```
    LruPerCpuHashMap = BPF_MAP_TYPE_LRU_PERCPU_HASH, "value of `key` on this CPU", values: per_cpu,
    of: " on this CPU, and if the key is new, zeros on the others",
    full: "`-ENOMEM` when no entry could be freed,"
}

map_per_cpu! {
    [K: Shareable, V: MapValue] LruPerCpuHashMap<K, V>: (key: impl Borrow<K> => key.borrow()) -> V
}
