//! `BPF_MAP_TYPE_PERCPU_HASH` and `BPF_MAP_TYPE_LRU_PERCPU_HASH`.

use std::borrow::{Borrow, BorrowMut};

use super::{ElementFlags, Keys, MapData, MapError, PerCpuIter, PerCpuValues, view::view};
use crate::Pod;

view! {
    /// A hash table with one value for every possible CPU under each key, plain (Linux ≥ 4.6) or
    /// LRU (Linux ≥ 4.10).
    PerCpuHashMap<K, V>: PercpuHash | LruPercpuHash, K => V
}

impl<T: Borrow<MapData>, K: Pod, V: Pod> PerCpuHashMap<T, K, V> {
    /// The values of `key`. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn get(
        &self,
        key: &K,
        flags: impl Into<ElementFlags>,
    ) -> Result<PerCpuValues<V>, MapError> {
        let mut values = PerCpuValues::default();
        self.get_into(key, flags, &mut values)?;
        Ok(values)
    }

    /// As [`get`](Self::get), into values that are reused: does not allocate from the second time
    /// on.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_into(
        &self,
        key: &K,
        flags: impl Into<ElementFlags>,
        values: &mut PerCpuValues<V>,
    ) -> Result<(), MapError> {
        let map = self.map();
        if map.get_per_cpu(key, flags.into(), values)? {
            return Ok(());
        }
        Err(map.key_not_found())
    }

    /// The value of `key` on one CPU, without those of the others; `None` when there is no such
    /// key. Linux ≥ 7.0.
    ///
    /// # Errors
    /// [`MapError::NoSuchCpu`], [`MapError::Unsupported`] on older kernels, and what the kernel
    /// refuses.
    pub fn get_on_cpu(&self, key: &K, cpu: u32) -> Result<Option<V>, MapError> {
        self.map().get_on_cpu(key, cpu)
    }

    /// All elements, in no order. See [`Iter`](super::Iter) for what happens when the map changes
    /// meanwhile.
    pub fn iter(&self) -> PerCpuIter<'_, K, V> {
        PerCpuIter::new(self.map())
    }

    /// All keys, in no order.
    pub fn keys(&self) -> Keys<'_, K> {
        Keys::new(self.map())
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> PerCpuHashMap<T, K, V> {
    /// Sets the values of `key`, one for each possible CPU. `flags`: 0, [`ElementFlags::NO_EXIST`]
    /// or [`ElementFlags::EXIST`].
    ///
    /// # Errors
    /// [`MapError::CpuCount`], [`MapError::InvalidFlags`], and what the kernel refuses: `E2BIG`
    /// when the map is full, `EEXIST` or `ENOENT` as the flags say.
    pub fn insert(
        &mut self,
        key: impl Borrow<K>,
        values: PerCpuValues<V>,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        self.map().set_per_cpu(key.borrow(), &values, flags.into())
    }

    /// Sets the value of `key` on one CPU. The others keep theirs; of a new key they are zero.
    /// Linux ≥ 7.0.
    ///
    /// # Errors
    /// As [`get_on_cpu`](Self::get_on_cpu); `E2BIG` when the map is full.
    pub fn insert_on_cpu(
        &mut self,
        key: impl Borrow<K>,
        cpu: u32,
        value: V,
    ) -> Result<(), MapError> {
        self.map().set_on_cpu(key.borrow(), cpu, &value)
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        self.map().remove(key)
    }

    /// Removes `key` and returns its values, as one step; `None` when it is not there. Linux ≥
    /// 5.14.
    ///
    /// # Errors
    /// [`MapError::Unsupported`] on older kernels, and what the kernel refuses.
    pub fn take(&mut self, key: &K) -> Result<Option<PerCpuValues<V>>, MapError> {
        let bytes = self
            .inner
            .borrow_mut()
            .take_bytes(hachi_common::bytes_of(key), ElementFlags::ANY)?;
        Ok(bytes.map(|bytes| PerCpuValues::from_strides(&bytes)))
    }

    /// Removes all elements and yields them; as [`HashMap::drain`](super::HashMap::drain).
    pub fn drain(&mut self) -> PerCpuIter<'_, K, V> {
        PerCpuIter::taking(self.map())
    }

    /// Sets the values of many keys, in one system call where the kernel can (Linux ≥ 5.6), one by
    /// one elsewhere. `flags` as of [`insert`](Self::insert).
    ///
    /// # Errors
    /// [`MapError::BatchLengths`]; for one element, as of [`insert`](Self::insert). It stops at the
    /// first error; what was set before stays.
    pub fn insert_batch(
        &mut self,
        keys: &[K],
        values: &[PerCpuValues<V>],
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        self.map().set_batch_per_cpu(keys, values, flags.into())
    }

    /// Removes many keys; as [`HashMap::remove_batch`](super::HashMap::remove_batch).
    ///
    /// # Errors
    /// As there.
    pub fn remove_batch(&mut self, keys: &[K]) -> Result<usize, MapError> {
        self.map().remove_batch(keys)
    }
}
