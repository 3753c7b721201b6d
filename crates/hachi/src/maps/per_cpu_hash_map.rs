//! `BPF_MAP_TYPE_PERCPU_HASH` and `BPF_MAP_TYPE_LRU_PERCPU_HASH`.

use std::{
    borrow::{Borrow, BorrowMut},
    marker::PhantomData,
};

use super::{Keys, MapData, MapError, MapType, PerCpuIter, PerCpuValues, typed_map};
use crate::Pod;

/// A hash table with one value for every possible CPU under each key, plain (Linux ≥ 4.6) or LRU
/// (Linux ≥ 4.10).
#[derive(Debug)]
pub struct PerCpuHashMap<T, K: Pod, V: Pod> {
    inner: T,
    _types: PhantomData<(K, V)>,
}

impl<T: Borrow<MapData>, K: Pod, V: Pod> PerCpuHashMap<T, K, V> {
    pub(crate) fn new(map: T) -> Result<Self, MapError> {
        map.borrow().check::<K, V>(
            &[MapType::PercpuHash, MapType::LruPercpuHash],
            "PerCpuHashMap (percpu_hash or lru_percpu_hash)",
        )?;
        Ok(PerCpuHashMap {
            inner: map,
            _types: PhantomData,
        })
    }

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
        let map = self.inner.borrow();
        if map.get_per_cpu(key, flags, values)? {
            return Ok(());
        }
        Err(MapError::KeyNotFound {
            name: map.name().to_owned(),
        })
    }

    /// All elements, in no order. See [`Iter`](super::Iter) for what happens when the map changes
    /// meanwhile.
    pub fn iter(&self) -> PerCpuIter<'_, K, V> {
        PerCpuIter::new(self.inner.borrow())
    }

    /// All keys, in no order.
    pub fn keys(&self) -> Keys<'_, K> {
        Keys::new(self.inner.borrow())
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
        self.inner
            .borrow_mut()
            .set_per_cpu(key.borrow(), &values, flags)
    }

    /// Removes `key`; [`MapError::KeyNotFound`] when it is not there.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        self.inner.borrow_mut().remove(key)
    }
}

typed_map!(PerCpuHashMap<K, V>);
