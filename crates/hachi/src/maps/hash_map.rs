//! `BPF_MAP_TYPE_HASH`, `BPF_MAP_TYPE_LRU_HASH` and `BPF_MAP_TYPE_RHASH`.

use std::borrow::{Borrow, BorrowMut};

use super::{Batches, ElementFlags, Iter, Keys, MapData, MapError, view::view, walk::Walked};
use crate::Pod;

view! {
    /// A hash table: plain (Linux ≥ 3.19), evicting the least recently used element when full (LRU,
    /// Linux ≥ 4.10), or growing and shrinking with its contents (`rhash`, Linux ≥ 7.2; created
    /// with the flag `BPF_F_NO_PREALLOC`; a value of it is changed in place, so that a reader may
    /// see half of an update).
    HashMap<K, V>: Hash | LruHash | Rhash, K => V
}

impl<T: Borrow<MapData>, K: Pod, V: Pod> HashMap<T, K, V> {
    /// The value of `key`. `flags`: 0 or [`ElementFlags::LOCK`].
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn get(&self, key: &K, flags: impl Into<ElementFlags>) -> Result<V, MapError> {
        self.try_get(key, flags)?
            .ok_or_else(|| self.map().key_not_found())
    }

    /// As [`get`](Self::get), with an absent key as `None`.
    ///
    /// # Errors
    /// [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn try_get(&self, key: &K, flags: impl Into<ElementFlags>) -> Result<Option<V>, MapError> {
        self.map().get(key, flags.into())
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
    ///
    /// # Errors
    /// [`MapError::IoError`] when the system does not say how many CPUs there are.
    pub fn batches(&self, room: usize) -> Result<Batches<'_, K, V>, MapError> {
        Batches::new(self.map(), room, Walked::Stay)
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> HashMap<T, K, V> {
    /// Sets the value of `key`. `flags`: 0, [`ElementFlags::NO_EXIST`] or [`ElementFlags::EXIST`],
    /// with [`ElementFlags::LOCK`] or without.
    ///
    /// # Errors
    /// [`MapError::InvalidFlags`], and what the kernel refuses: `E2BIG` when the map is full,
    /// `EEXIST` or `ENOENT` as the flags say.
    pub fn insert(
        &mut self,
        key: impl Borrow<K>,
        value: impl Borrow<V>,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        self.map().set(key.borrow(), value.borrow(), flags.into())
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        self.map().remove(key)
    }

    /// Removes `key` and returns its value, as one step; `None` when it is not there. Linux ≥ 5.14.
    ///
    /// # Errors
    /// [`MapError::Unsupported`] on older kernels, and what the kernel refuses.
    pub fn take(&mut self, key: &K) -> Result<Option<V>, MapError> {
        self.map().take(key, ElementFlags::ANY)
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
    ///
    /// # Errors
    /// [`MapError::IoError`] when the system does not say how many CPUs there are.
    pub fn drain_batches(&mut self, room: usize) -> Result<Batches<'_, K, V>, MapError> {
        Batches::new(self.map(), room, Walked::Go)
    }

    /// Sets many values, in one system call where the kernel can (Linux ≥ 5.6, `flags` 0 or
    /// [`ElementFlags::LOCK`]), one by one elsewhere.
    ///
    /// # Errors
    /// [`MapError::BatchLengths`]; for one element, as of [`insert`](Self::insert). It stops at the
    /// first error; what was set before stays.
    pub fn insert_batch(
        &mut self,
        keys: &[K],
        values: &[V],
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        self.map().set_batch(keys, values, flags.into())
    }

    /// Removes many keys, in one system call where the kernel can (Linux ≥ 5.6), one by one
    /// elsewhere. Keys that are not there are skipped. Returns the number removed.
    ///
    /// # Errors
    /// What the kernel refuses. It stops at the first error; what was removed before is gone.
    pub fn remove_batch(&mut self, keys: &[K]) -> Result<usize, MapError> {
        self.map().remove_batch(keys)
    }
}
