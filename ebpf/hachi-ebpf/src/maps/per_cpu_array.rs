//! `BPF_MAP_TYPE_PERCPU_ARRAY`

use super::def::{Map, Pinning};
use crate::bindings::bpf_map_type::BPF_MAP_TYPE_PERCPU_ARRAY;

/// An array in which each CPU has values of its own (4.6).
///
/// A program sees those of the CPU it runs on, so counting needs no atomic operations: user space
/// adds up.
#[repr(transparent)]
pub struct PerCpuArray<V> {
    def: Map<u32, V>,
}

impl<V> PerCpuArray<V> {
    /// An array of `max_entries` values for each CPU; `flags` are those of map creation
    /// (`BPF_F_…`), usually 0.
    pub const fn with_max_entries(max_entries: u32, flags: u32) -> Self {
        PerCpuArray {
            def: Map::new(BPF_MAP_TYPE_PERCPU_ARRAY, max_entries, flags, Pinning::None),
        }
    }

    /// The same, pinned by its name: loaded a second time, it is the map that is there already.
    pub const fn pinned(max_entries: u32, flags: u32) -> Self {
        PerCpuArray {
            def: Map::new(
                BPF_MAP_TYPE_PERCPU_ARRAY,
                max_entries,
                flags,
                Pinning::ByName,
            ),
        }
    }

    /// This CPU's value at `index`; `None` beyond the end.
    #[inline(always)]
    pub fn get(&self, index: u32) -> Option<&V> {
        self.def.get(&index)
    }

    /// A pointer to this CPU's value at `index`; `None` beyond the end.
    #[inline(always)]
    pub fn get_ptr(&self, index: u32) -> Option<*const V> {
        self.def.lookup(&index).map(|value| value.cast_const())
    }

    /// A pointer to this CPU's value at `index`, to write through; `None` beyond the end.
    #[inline(always)]
    pub fn get_ptr_mut(&self, index: u32) -> Option<*mut V> {
        self.def.lookup(&index)
    }

    /// Replaces this CPU's value at `index` by what `change` makes of it; `None`, with nothing
    /// done, beyond the end.
    ///
    /// ```
    /// # use hachi_ebpf::maps::PerCpuArray;
    /// static PACKETS: PerCpuArray<u64> = PerCpuArray::with_max_entries(4, 0);
    ///
    /// fn count(verdict: u32) {
    ///     PACKETS.update(verdict, |packets| packets + 1);
    /// }
    /// ```
    /// Programs that may interrupt each other on one CPU (as tracing programs do) can lose an
    /// update.
    #[inline(always)]
    pub fn update(&self, index: u32, change: impl FnOnce(V) -> V) -> Option<()>
    where
        V: Copy,
    {
        self.def.update(&index, change)
    }
}
