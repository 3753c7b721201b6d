//! `BPF_MAP_TYPE_PERCPU_HASH` and `BPF_MAP_TYPE_LRU_PERCPU_HASH`

use core::borrow::Borrow;

map_kind! {
    /// A hash table in which each CPU has values of its own (4.6).
    ///
    /// All bytes of a key count, so a key type must have no padding: derive [`Pod`](crate::Pod).
    PerCpuHashMap<K, V> = BPF_MAP_TYPE_PERCPU_HASH(K => V),
    entries: "up to `max_entries` entries"
}

map_values! {
    [K, V] PerCpuHashMap<K, V>: (key: impl Borrow<K> => key.borrow()) -> V, "value of `key` on this CPU",
    none: "when there is no such key",
    races: "Programs that may interrupt each other on one CPU (as tracing programs do) can lose a change."
}

map_per_cpu! { [K, V] PerCpuHashMap<K, V>: (key: impl Borrow<K> => key.borrow()) -> V }

map_for_each! { [K, V] PerCpuHashMap<K, V>: K => V }

map_entries! {
    [K, V] PerCpuHashMap<K, V>: K => V, of: " on this CPU, and if the key is new, zeros on the others",
    full: "`-E2BIG` when the map is full,"
}

map_kind! {
    /// A hash table in which each CPU has values of its own, and which makes room for a new entry
    /// by removing one that was not used lately (4.10).
    ///
    /// All bytes of a key count, so a key type must have no padding: derive [`Pod`](crate::Pod).
    LruPerCpuHashMap<K, V> = BPF_MAP_TYPE_LRU_PERCPU_HASH(K => V),
    entries: "up to `max_entries` entries"
}

map_values! {
    [K, V] LruPerCpuHashMap<K, V>: (key: impl Borrow<K> => key.borrow()) -> V, "value of `key` on this CPU",
    none: "when there is no such key",
    races: "Programs that may interrupt each other on one CPU (as tracing programs do) can lose a change."
}

map_per_cpu! { [K, V] LruPerCpuHashMap<K, V>: (key: impl Borrow<K> => key.borrow()) -> V }

map_for_each! { [K, V] LruPerCpuHashMap<K, V>: K => V }

map_entries! {
    [K, V] LruPerCpuHashMap<K, V>: K => V, of: " on this CPU, and if the key is new, zeros on the others",
    full: "`-ENOMEM` when no entry could be freed,"
}
