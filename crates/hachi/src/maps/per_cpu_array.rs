//! `BPF_MAP_TYPE_PERCPU_ARRAY`.

use std::borrow::{Borrow, BorrowMut};

use super::{ElementFlags, MapData, MapError, PerCpuValues, view::view};
use crate::Pod;

view! {
    /// A fixed number of elements, each with one value for every possible CPU, zero from the start:
    /// counters that programs raise without contention and user space sums. Linux ≥ 4.6.
    PerCpuArray<V>: PercpuArray, u32 => V
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

    /// The values of the element at `index`, one for each possible CPU. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn get(
        &self,
        index: &u32,
        flags: impl Into<ElementFlags>,
    ) -> Result<PerCpuValues<V>, MapError> {
        let mut values = PerCpuValues::default();
        self.get_into(index, flags, &mut values)?;
        Ok(values)
    }

    /// As [`get`](Self::get), into values that are reused: does not allocate from the second time
    /// on.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_into(
        &self,
        index: &u32,
        flags: impl Into<ElementFlags>,
        values: &mut PerCpuValues<V>,
    ) -> Result<(), MapError> {
        let map = self.map();
        map.check_index(*index)?;
        if map.get_per_cpu(index, flags.into(), values)? {
            return Ok(());
        }
        Err(map.key_not_found())
    }

    /// The value of the element at `index` on one CPU, without those of the others. Linux ≥ 7.0.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::NoSuchCpu`], [`MapError::Unsupported`] on older
    /// kernels, and what the kernel refuses.
    pub fn get_on_cpu(&self, index: &u32, cpu: u32) -> Result<V, MapError> {
        let map = self.map();
        map.check_index(*index)?;
        map.get_on_cpu(index, cpu)?
            .ok_or_else(|| map.key_not_found())
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<PerCpuValues<V>, MapError>> + '_ {
        (0..self.len()).map(|index| self.get(&index, ElementFlags::ANY))
    }
}

impl<T: BorrowMut<MapData>, V: Pod> PerCpuArray<T, V> {
    /// Sets the values of the element at `index`, one for each possible CPU. `flags`: 0 or
    /// [`ElementFlags::EXIST`], which all elements do.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::CpuCount`], [`MapError::InvalidFlags`], and what the
    /// kernel refuses.
    pub fn set(
        &mut self,
        index: u32,
        values: PerCpuValues<V>,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        let map = self.map();
        map.check_index(index)?;
        map.set_per_cpu(&index, &values, flags.into())
    }

    /// Sets the value of the element at `index` on one CPU; the others keep theirs. Linux ≥ 7.0.
    ///
    /// # Errors
    /// As [`get_on_cpu`](Self::get_on_cpu).
    pub fn set_on_cpu(&mut self, index: u32, cpu: u32, value: V) -> Result<(), MapError> {
        let map = self.map();
        map.check_index(index)?;
        map.set_on_cpu(&index, cpu, &value)
    }

    /// Sets the element at `index` to the same value on all CPUs. Linux ≥ 7.0; with [`set`] and
    /// [`PerCpuValues::repeat`] on any.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::Unsupported`] on older kernels, and what the kernel
    /// refuses.
    ///
    /// [`set`]: Self::set
    pub fn set_on_all_cpus(&mut self, index: u32, value: V) -> Result<(), MapError> {
        let map = self.map();
        map.check_index(index)?;
        map.set_on_all_cpus(&index, &value)
    }
}
