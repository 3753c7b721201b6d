//! `BPF_MAP_TYPE_PERCPU_HASH` and `BPF_MAP_TYPE_LRU_PERCPU_HASH`.

use std::borrow::{Borrow, BorrowMut};

use super::{Keys, MapData, MapError, PerCpuIter, PerCpuValues, view::view};
use crate::Pod;

view! {
    /// A hash table with one value for every possible CPU under each key, plain (Linux ≥ 4.6) or
    /// LRU (Linux ≥ 4.10).
    PerCpuHashMap<K, V>: PercpuHash | LruPercpuHash, "PerCpuHashMap (percpu_hash or lru_percpu_hash)", K => V
}

impl<T: Borrow<MapData>, K: Pod, V: Pod> PerCpuHashMap<T, K, V> {
    /// The values of `key`; [`MapError::KeyNotFound`] when there are none. `flags` is 0.
    pub fn get(&self, key: &K, flags: u64) -> Result<PerCpuValues<V>, MapError> {
        let mut values = PerCpuValues::default();
        self.get_into(key, flags, &mut values)?;
        Ok(values)
    }

    /// As [`get`](Self::get), into values that are reused: does not allocate from the second time
    /// on.
    pub fn get_into(
        &self,
        key: &K,
        flags: u64,
        values: &mut PerCpuValues<V>,
    ) -> Result<(), MapError> {
        let map = self.map();
        if map.get_per_cpu(key, flags, values)? {
            return Ok(());
        }
        Err(map.key_not_found())
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
    /// Sets the values of `key`, one for each possible CPU. `flags`: [`BPF_ANY`](super::BPF_ANY),
    /// [`BPF_NOEXIST`](super::BPF_NOEXIST) or [`BPF_EXIST`](super::BPF_EXIST).
    pub fn insert(
        &mut self,
        key: impl Borrow<K>,
        values: PerCpuValues<V>,
        flags: u64,
    ) -> Result<(), MapError> {
        self.map().set_per_cpu(key.borrow(), &values, flags)
    }

    /// Removes `key`; [`MapError::KeyNotFound`] when it is not there.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        self.map().remove(key)
    }

    /// Removes `key` and returns its values, as one step. Linux ≥ 5.14.
    pub fn take(&mut self, key: &K) -> Result<Option<PerCpuValues<V>>, MapError> {
        let bytes = self
            .inner
            .borrow_mut()
            .take_bytes(hachi_common::bytes_of(key), 0)?;
        Ok(bytes.map(|bytes| PerCpuValues::from_strides(&bytes)))
    }

    /// Removes all elements and yields them; as [`HashMap::drain`](super::HashMap::drain).
    pub fn drain(&mut self) -> PerCpuIter<'_, K, V> {
        PerCpuIter::taking(self.map())
    }

    /// Sets the values of many keys, in one system call where the kernel can (Linux ≥ 5.6), one by
    /// one elsewhere. Stops at the first error; what was set before it stays.
    pub fn insert_batch(
        &mut self,
        keys: &[K],
        values: &[PerCpuValues<V>],
        flags: u64,
    ) -> Result<(), MapError> {
        self.map().set_batch_per_cpu(keys, values, flags)
    }

    /// Removes many keys; as [`HashMap::remove_batch`](super::HashMap::remove_batch).
    pub fn remove_batch(&mut self, keys: &[K]) -> Result<usize, MapError> {
        self.map().remove_batch(keys)
    }
}
