//! `BPF_MAP_TYPE_HASH`, `BPF_MAP_TYPE_LRU_HASH` and `BPF_MAP_TYPE_RHASH`.

use std::borrow::{Borrow, BorrowMut};

use super::{Batches, Iter, Keys, MapData, MapError, view::view};
use crate::Pod;

view! {
    /// A hash table: plain (Linux ≥ 3.19), evicting the least recently used element when full (LRU,
    /// Linux ≥ 4.10), or growing and shrinking with its contents (`rhash`, Linux ≥ 7.2; created
    /// with the flag `BPF_F_NO_PREALLOC`; a value of it is changed in place, so that a reader may
    /// see half of an update).
    HashMap<K, V>: Hash | LruHash | Rhash, "HashMap (hash, lru_hash or rhash)", K => V
}

impl<T: Borrow<MapData>, K: Pod, V: Pod> HashMap<T, K, V> {
    /// The value of `key`; [`MapError::KeyNotFound`] when there is none. `flags` is 0 (or
    /// [`BPF_F_LOCK`](super::BPF_F_LOCK)).
    pub fn get(&self, key: &K, flags: u64) -> Result<V, MapError> {
        self.try_get(key, flags)?
            .ok_or_else(|| self.map().key_not_found())
    }

    /// As [`get`](Self::get), with an absent key as `None`.
    pub fn try_get(&self, key: &K, flags: u64) -> Result<Option<V>, MapError> {
        self.map().get(key, flags)
    }

    /// All elements, in no order. See [`Iter`] for what happens when the map changes meanwhile.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter::new(self.map())
    }

    /// All keys, in no order.
    pub fn keys(&self) -> Keys<'_, K> {
        Keys::new(self.map())
    }

    /// All elements, up to `room` at a time, or more if the kernel has more to give at once. One
    /// system call for each batch on Linux ≥ 5.6; some for each element before, and of an `rhash`.
    pub fn batches(&self, room: usize) -> Result<Batches<'_, K, V>, MapError> {
        Batches::new(self.map(), room, false)
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> HashMap<T, K, V> {
    /// Sets the value of `key`. `flags`: [`BPF_ANY`](super::BPF_ANY),
    /// [`BPF_NOEXIST`](super::BPF_NOEXIST) or [`BPF_EXIST`](super::BPF_EXIST), with
    /// [`BPF_F_LOCK`](super::BPF_F_LOCK) or without.
    pub fn insert(
        &mut self,
        key: impl Borrow<K>,
        value: impl Borrow<V>,
        flags: u64,
    ) -> Result<(), MapError> {
        self.map().set(key.borrow(), value.borrow(), flags)
    }

    /// Removes `key`; [`MapError::KeyNotFound`] when it is not there.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        self.map().remove(key)
    }

    /// Removes `key` and returns its value, as one step. Linux ≥ 5.14.
    pub fn take(&mut self, key: &K) -> Result<Option<V>, MapError> {
        self.map().take(key, 0)
    }

    /// Removes all elements and yields them, in no order. On Linux ≥ 5.6 nothing that a program
    /// adds to a value gets lost; before, what it adds between the reading of a value and its
    /// removal does.
    ///
    /// Elements not fetched yet when the iterator is dropped stay, those fetched in one batch with
    /// the last one yielded are gone.
    pub fn drain(&mut self) -> Iter<'_, K, V> {
        Iter::taking(self.map())
    }

    /// As [`drain`](Self::drain), up to `room` elements at a time.
    pub fn drain_batches(&mut self, room: usize) -> Result<Batches<'_, K, V>, MapError> {
        Batches::new(self.map(), room, true)
    }

    /// Sets many values, in one system call where the kernel can (Linux ≥ 5.6, `flags` 0 or
    /// [`BPF_F_LOCK`](super::BPF_F_LOCK)), one by one elsewhere.
    ///
    /// Stops at the first error; what was set before it stays.
    pub fn insert_batch(&mut self, keys: &[K], values: &[V], flags: u64) -> Result<(), MapError> {
        self.map().set_batch(keys, values, flags)
    }

    /// Removes many keys, in one system call where the kernel can (Linux ≥ 5.6), one by one
    /// elsewhere. Keys that are not there are skipped. Returns the number removed.
    pub fn remove_batch(&mut self, keys: &[K]) -> Result<usize, MapError> {
        self.map().remove_batch(keys)
    }
}
