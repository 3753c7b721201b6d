//! `BPF_MAP_TYPE_PERCPU_ARRAY`.

use std::{
    borrow::{Borrow, BorrowMut},
    marker::PhantomData,
};

use super::{MapData, MapError, MapType, PerCpuValues, typed_map};
use crate::Pod;

/// A fixed number of elements, each with one value for every possible CPU, zero from the start:
/// counters that programs raise without contention and user space sums. Linux ≥ 4.6.
#[derive(Debug)]
pub struct PerCpuArray<T, V: Pod> {
    inner: T,
    _value: PhantomData<V>,
}

impl<T: Borrow<MapData>, V: Pod> PerCpuArray<T, V> {
    pub(crate) fn new(map: T) -> Result<Self, MapError> {
        map.borrow()
            .check::<u32, V>(&[MapType::PercpuArray], "PerCpuArray (percpu_array)")?;
        Ok(PerCpuArray {
            inner: map,
            _value: PhantomData,
        })
    }

    /// The number of elements.
    pub fn len(&self) -> u32 {
        self.inner.borrow().max_entries()
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
        let map = self.inner.borrow();
        map.check_index(*index)?;
        if map.get_per_cpu(index, flags, values)? {
            return Ok(());
        }
        Err(MapError::KeyNotFound {
            name: map.name().to_owned(),
        })
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<PerCpuValues<V>, MapError>> + '_ {
        (0..self.len()).map(|index| self.get(&index, 0))
    }
}

impl<T: BorrowMut<MapData>, V: Pod> PerCpuArray<T, V> {
    /// Sets the values of the element at `index`, one for each possible CPU. `flags` is 0.
    pub fn set(&mut self, index: u32, values: PerCpuValues<V>, flags: u64) -> Result<(), MapError> {
        let map = self.inner.borrow_mut();
        map.check_index(index)?;
        map.set_per_cpu(&index, &values, flags)
    }
}

typed_map!(PerCpuArray<V>);
