//! `BPF_MAP_TYPE_PERCPU_ARRAY`

map_kind! {
    /// An array in which each CPU has values of its own (4.6).
    ///
    /// A program sees those of the CPU it runs on, so counting needs no atomic operations: user
    /// space adds up.
    ///
    /// ```
    /// # use hachi_ebpf::maps::PerCpuArray;
    /// static PACKETS: PerCpuArray<u64> = PerCpuArray::with_max_entries(4, 0);
    ///
    /// fn count(verdict: u32) {
    ///     PACKETS.update(verdict, |packets| packets + 1);
    /// }
    /// ```
    PerCpuArray<V: MapValue> = BPF_MAP_TYPE_PERCPU_ARRAY(u32 => V),
    entries: "`max_entries` values for each CPU"
}

map_values! {
    [V: MapValue] PerCpuArray<V>: (index: u32 => &index) -> V, "value at `index` on this CPU",
    none: "beyond the end",
    values: per_cpu
}

map_per_cpu! { [V: MapValue] PerCpuArray<V>: (index: u32 => &index) -> V }

map_for_each! { [V: MapValue] PerCpuArray<V>: u32 => V }
