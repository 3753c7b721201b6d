//! `BPF_MAP_TYPE_HASH` and `BPF_MAP_TYPE_LRU_HASH`

map_hash! {
    /// A hash table (3.19).
    HashMap = BPF_MAP_TYPE_HASH, "value of `key`", values: shared,
    of: "", full: "`-E2BIG` when the map is full,"
}

map_hash! {
    /// A hash table that makes room for a new entry by removing one that was not used lately
    /// (4.10).
    LruHashMap = BPF_MAP_TYPE_LRU_HASH, "value of `key`", values: shared,
    of: "", full: "`-ENOMEM` when no entry could be freed,"
}
