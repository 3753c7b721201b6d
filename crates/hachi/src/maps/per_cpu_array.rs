//! `BPF_MAP_TYPE_PERCPU_ARRAY`.

use std::borrow::{Borrow, BorrowMut};

use super::{MapData, MapError, PerCpuValues, view::view};
use crate::Pod;

view! {
    /// A fixed number of elements, each with one value for every possible CPU, zero from the start:
    /// counters that programs raise without contention and user space sums. Linux ≥ 4.6.
    PerCpuArray<V>: PercpuArray, "PerCpuArray (percpu_array)", u32 => V
}

impl<T: Borrow<MapData>, V: Pod> PerCpuArray<T, V> {
    /// The number of elements.
    pub fn len(&self) -> u32 {
        self.map().max_entries()
    }

    /// Never true: the kernel refuses arrays without elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of the element at `index`, one for each possible CPU. `flags` is 0.
    pub fn get(&self, index: &u32, flags: u64) -> Result<PerCpuValues<V>, MapError> {
        let mut values = PerCpuValues::default();
        self.get_into(index, flags, &mut values)?;
        Ok(values)
    }

    /// As [`get`](Self::get), into values that are reused: does not allocate from the second time
    /// on.
    pub fn get_into(
        &self,
        index: &u32,
        flags: u64,
        values: &mut PerCpuValues<V>,
    ) -> Result<(), MapError> {
        let map = self.map();
        map.check_index(*index)?;
        if map.get_per_cpu(index, flags, values)? {
            return Ok(());
        }
        Err(map.key_not_found())
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<PerCpuValues<V>, MapError>> + '_ {
        (0..self.len()).map(|index| self.get(&index, 0))
    }
}

impl<T: BorrowMut<MapData>, V: Pod> PerCpuArray<T, V> {
    /// Sets the values of the element at `index`, one for each possible CPU. `flags` is 0.
    pub fn set(&mut self, index: u32, values: PerCpuValues<V>, flags: u64) -> Result<(), MapError> {
        let map = self.map();
        map.check_index(index)?;
        map.set_per_cpu(&index, &values, flags)
    }
}
