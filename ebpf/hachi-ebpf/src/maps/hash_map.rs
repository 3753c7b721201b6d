//! `BPF_MAP_TYPE_HASH` and `BPF_MAP_TYPE_LRU_HASH`

use core::borrow::Borrow;

map_kind! {
    /// A hash table (3.19).
    ///
    /// All bytes of a key count, so a key type must have no padding: derive [`Pod`](crate::Pod).
    HashMap<K, V> = BPF_MAP_TYPE_HASH(K => V),
    entries: "up to `max_entries` entries"
}

map_values! {
    [K, V] HashMap<K, V>: (key: impl Borrow<K> => key.borrow()) -> V, "value of `key`",
    none: "when there is no such key",
    races: "This is a read and a write, not one atomic step: when two CPUs do it at once, one of the changes may be lost. Exact counts take [atomics](crate::atomic), or a map with a value for each CPU."
}

map_for_each! { [K, V] HashMap<K, V>: K => V }

map_entries! {
    [K, V] HashMap<K, V>: K => V, of: "",
    full: "`-E2BIG` when the map is full,"
}

map_kind! {
    /// A hash table that makes room for a new entry by removing one that was not used lately
    /// (4.10).
    ///
    /// All bytes of a key count, so a key type must have no padding: derive [`Pod`](crate::Pod).
    LruHashMap<K, V> = BPF_MAP_TYPE_LRU_HASH(K => V),
    entries: "up to `max_entries` entries"
}

map_values! {
    [K, V] LruHashMap<K, V>: (key: impl Borrow<K> => key.borrow()) -> V, "value of `key`",
    none: "when there is no such key",
    races: "This is a read and a write, not one atomic step: when two CPUs do it at once, one of the changes may be lost. Exact counts take [atomics](crate::atomic), or a map with a value for each CPU."
}

map_for_each! { [K, V] LruHashMap<K, V>: K => V }

map_entries! {
    [K, V] LruHashMap<K, V>: K => V, of: "",
    full: "`-ENOMEM` when no entry could be freed,"
}
