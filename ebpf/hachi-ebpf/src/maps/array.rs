//! `BPF_MAP_TYPE_ARRAY`

use core::borrow::Borrow;

use super::def::{Map, Pinning};
use crate::bindings::bpf_map_type::BPF_MAP_TYPE_ARRAY;
use crate::cty::c_long;

/// An array: values of `V` with the indices 0 to `max_entries - 1`, all there from the beginning,
/// as zeros (3.19).
#[repr(transparent)]
pub struct Array<V> {
    def: Map<u32, V>,
}

impl<V> Array<V> {
    /// An array of `max_entries` values; `flags` are those of map creation (`BPF_F_…`), usually 0.
    pub const fn with_max_entries(max_entries: u32, flags: u32) -> Self {
        Array {
            def: Map::new(BPF_MAP_TYPE_ARRAY, max_entries, flags, Pinning::None),
        }
    }

    /// The same, pinned by its name: loaded a second time, it is the map that is there already.
    pub const fn pinned(max_entries: u32, flags: u32) -> Self {
        Array {
            def: Map::new(BPF_MAP_TYPE_ARRAY, max_entries, flags, Pinning::ByName),
        }
    }

    /// The value at `index`; `None` beyond the end.
    #[inline(always)]
    pub fn get(&self, index: u32) -> Option<&V> {
        self.def.get(&index)
    }

    /// A pointer to the value at `index`; `None` beyond the end.
    #[inline(always)]
    pub fn get_ptr(&self, index: u32) -> Option<*const V> {
        self.def.lookup(&index).map(|value| value.cast_const())
    }

    /// A pointer to the value at `index`, to write through; `None` beyond the end.
    #[inline(always)]
    pub fn get_ptr_mut(&self, index: u32) -> Option<*mut V> {
        self.def.lookup(&index)
    }

    /// Replaces the value at `index`; `flags` is `BPF_ANY` (0), `BPF_EXIST` or `BPF_F_LOCK`.
    ///
    /// # Errors
    /// `-E2BIG` beyond the end.
    #[inline(always)]
    pub fn set(&self, index: u32, value: impl Borrow<V>, flags: u64) -> Result<(), c_long> {
        self.def.insert(&index, value.borrow(), flags)
    }

    /// Replaces the value at `index` by what `change` makes of it; `None`, with nothing done,
    /// beyond the end.
    ///
    /// This is a read and a write, not one atomic step: when two CPUs do it at once, one of the
    /// changes may be lost. Exact counts take a [`PerCpuArray`](super::PerCpuArray).
    #[inline(always)]
    pub fn update(&self, index: u32, change: impl FnOnce(V) -> V) -> Option<()>
    where
        V: Copy,
    {
        self.def.update(&index, change)
    }
}
