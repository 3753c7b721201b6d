//! `BPF_MAP_TYPE_HASH` and `BPF_MAP_TYPE_LRU_HASH`

map_hash! {
    /// A hash table (3.19).
    ///
    /// ```
    /// use hachi_ebpf::{macros::map, maps::HashMap};
    ///
    /// #[map]
    /// static BLOCKED: HashMap<[u8; 4], u32> = HashMap::with_max_entries(1024, 0);
    ///
    /// fn block(sender: [u8; 4], reason: u32) -> Result<(), i64> {
    ///     match BLOCKED.get(sender) {
    ///         Some(_) => Ok(()),
    ///         None => BLOCKED.insert(sender, reason, 0),
    ///     }
    /// }
    /// ```
    HashMap = BPF_MAP_TYPE_HASH, "value of `key`", values: shared,
    of: "", full: "`-E2BIG` when the map is full,"
}

map_hash! {
    /// A hash table that makes room for a new entry by removing one that was not used lately
    /// (4.10).
    ///
    /// ```
    /// use hachi_ebpf::{macros::map, maps::LruHashMap};
    ///
    /// #[map]
    /// static SEEN: LruHashMap<[u8; 4], u64> = LruHashMap::with_max_entries(1024, 0);
    ///
    /// /// Never full: a sender that was not seen lately makes room.
    /// fn note(sender: [u8; 4], time: u64) {
    ///     let _ = SEEN.insert(sender, time, 0);
    /// }
    /// ```
    LruHashMap = BPF_MAP_TYPE_LRU_HASH, "value of `key`", values: shared,
    of: "", full: "`-ENOMEM` when no entry could be freed,"
}
