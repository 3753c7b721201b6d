//! `BPF_MAP_TYPE_ARRAY_OF_MAPS` and `BPF_MAP_TYPE_HASH_OF_MAPS`.

use std::{
    borrow::{Borrow, BorrowMut},
    os::fd::AsFd as _,
};

use super::{ElementFlags, Iter, Keys, MapData, MapError, view::view};
use crate::Pod;

view! {
    /// Maps by index, to be exchanged as a whole while programs run. Linux ≥ 4.12.
    ///
    /// All are of the type and sizes of the inner map that the object declares (from Linux 5.10 on,
    /// arrays declared with `BPF_F_INNER_MAP` may differ in length, and hash maps always may).
    ArrayOfMaps<>: ArrayOfMaps, u32 => u32
}

view! {
    /// Maps by key; otherwise as [`ArrayOfMaps`]. Linux ≥ 4.12.
    HashOfMaps<K>: HashOfMaps, K => u32
}

impl<T: Borrow<MapData>> ArrayOfMaps<T> {
    /// The number of slots.
    pub fn len(&self) -> u32 {
        self.map().max_entries()
    }

    /// Never true: the kernel refuses arrays without elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id of the map at `index`, if there is one.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn id(&self, index: &u32) -> Result<Option<u32>, MapError> {
        self.map().check_index(*index)?;
        self.map().get(index, ElementFlags::ANY)
    }

    /// The map at `index`. Needs CAP_SYS_ADMIN. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, [`MapError::OutOfBounds`],
    /// [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn get(&self, index: &u32, flags: impl Into<ElementFlags>) -> Result<MapData, MapError> {
        self.map().check_index(*index)?;
        inner(self.map(), self.map().get(index, flags.into())?)
    }
}

impl<T: BorrowMut<MapData>> ArrayOfMaps<T> {
    /// Puts a map at `index`. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::InvalidFlags`], and what the kernel refuses: `EINVAL`
    /// for a map that is not like the inner map declared.
    pub fn set(
        &mut self,
        index: u32,
        map: &MapData,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        self.map().check_index(index)?;
        self.map().put_fd(&index, map.as_fd(), flags.into())
    }

    /// Empties `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`]; [`MapError::KeyNotFound`] when it is empty.
    pub fn clear_index(&mut self, index: &u32) -> Result<(), MapError> {
        self.map().check_index(*index)?;
        self.map().remove(index)
    }
}

impl<T: Borrow<MapData>, K: Pod> HashOfMaps<T, K> {
    /// The id of the map under `key`, if there is one.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn id(&self, key: &K) -> Result<Option<u32>, MapError> {
        self.map().get(key, ElementFlags::ANY)
    }

    /// The map under `key`. Needs CAP_SYS_ADMIN. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, [`MapError::InvalidFlags`], and what the
    /// kernel refuses.
    pub fn get(&self, key: &K, flags: impl Into<ElementFlags>) -> Result<MapData, MapError> {
        inner(self.map(), self.map().get(key, flags.into())?)
    }

    /// All keys.
    pub fn keys(&self) -> Keys<'_, K> {
        Keys::new(self.map())
    }

    /// All keys, with the ids of their maps.
    pub fn ids(&self) -> Iter<'_, K, u32> {
        Iter::new(self.map())
    }
}

impl<T: BorrowMut<MapData>, K: Pod> HashOfMaps<T, K> {
    /// Puts a map under `key`. `flags`: 0, [`ElementFlags::NO_EXIST`] or [`ElementFlags::EXIST`].
    ///
    /// # Errors
    /// [`MapError::InvalidFlags`], and what the kernel refuses: `EINVAL` for a map that is not like
    /// the inner map declared.
    pub fn insert(
        &mut self,
        key: impl Borrow<K>,
        map: &MapData,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        self.map().put_fd(key.borrow(), map.as_fd(), flags.into())
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when it is not there.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        self.map().remove(key)
    }
}

fn inner(outer: &MapData, id: Option<u32>) -> Result<MapData, MapError> {
    MapData::from_id(id.ok_or_else(|| outer.key_not_found())?)
}
