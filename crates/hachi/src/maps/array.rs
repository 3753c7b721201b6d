//! `BPF_MAP_TYPE_ARRAY`.

use std::{
    borrow::{Borrow, BorrowMut},
    marker::PhantomData,
};

use super::{MapData, MapError, MapType, typed_map};
use crate::Pod;

/// A fixed number of values, all present and zero from the start. Linux ≥ 3.19.
#[derive(Debug)]
pub struct Array<T, V: Pod> {
    inner: T,
    _value: PhantomData<V>,
}

impl<T: Borrow<MapData>, V: Pod> Array<T, V> {
    pub(crate) fn new(map: T) -> Result<Self, MapError> {
        map.borrow()
            .check::<u32, V>(&[MapType::Array], "Array (array)")?;
        Ok(Array {
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

    /// The element at `index`. `flags` is 0 (or `BPF_F_LOCK`).
    pub fn get(&self, index: &u32, flags: u64) -> Result<V, MapError> {
        let map = self.inner.borrow();
        map.check_index(*index)?;
        map.get(index, flags)?.ok_or_else(|| MapError::KeyNotFound {
            name: map.name().to_owned(),
        })
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<V, MapError>> + '_ {
        (0..self.len()).map(|index| self.get(&index, 0))
    }
}

impl<T: BorrowMut<MapData>, V: Pod> Array<T, V> {
    /// Sets the element at `index`. `flags` is 0 (or `BPF_F_LOCK`).
    pub fn set(&mut self, index: u32, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
        let map = self.inner.borrow_mut();
        map.check_index(index)?;
        map.set(&index, value.borrow(), flags)
    }
}

typed_map!(Array<V>);
