//! `BPF_MAP_TYPE_ARRAY`.

use std::borrow::{Borrow, BorrowMut};

use super::{Batches, ElementFlags, MapData, MapError, MappedArray, view::view, walk::Walked};
use crate::Pod;

view! {
    /// A fixed number of values, all present and zero from the start. Linux ≥ 3.19.
    Array<V>: Array, u32 => V
}

impl<T: Borrow<MapData>, V: Pod> Array<T, V> {
    /// The number of elements.
    pub fn len(&self) -> u32 {
        self.map().max_entries()
    }

    /// Never true: the kernel refuses arrays without elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`. `flags`: 0 or [`ElementFlags::LOCK`].
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn get(&self, index: &u32, flags: impl Into<ElementFlags>) -> Result<V, MapError> {
        let map = self.map();
        map.check_index(*index)?;
        map.get(index, flags.into())?
            .ok_or_else(|| map.key_not_found())
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<V, MapError>> + '_ {
        (0..self.len()).map(|index| self.get(&index, ElementFlags::ANY))
    }

    /// All indices and elements in order, `room` at a time: one system call for that many where the
    /// kernel can (Linux ≥ 5.6).
    ///
    /// # Errors
    /// [`MapError::IoError`] when the system does not say how many CPUs there are.
    pub fn batches(&self, room: usize) -> Result<Batches<'_, u32, V>, MapError> {
        Batches::new(self.map(), room, Walked::Stay)
    }

    /// The elements as memory, read and written without system calls. The map must have been
    /// created with the flag `BPF_F_MMAPABLE`. Linux ≥ 5.5.
    ///
    /// # Errors
    /// [`MapError::Unsuitable`] without that flag; what mmap(2) refuses.
    pub fn mmap(&self) -> Result<MappedArray<V>, MapError> {
        MappedArray::new(self.map())
    }
}

impl<T: BorrowMut<MapData>, V: Pod> Array<T, V> {
    /// Sets the element at `index`. `flags`: 0, [`ElementFlags::EXIST`], which all elements do,
    /// and [`ElementFlags::LOCK`].
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn set(
        &mut self,
        index: u32,
        value: impl Borrow<V>,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        let map = self.map();
        map.check_index(index)?;
        map.set(&index, value.borrow(), flags.into())
    }

    /// Sets many elements, in one system call where the kernel can (Linux ≥ 5.6), one by one
    /// elsewhere. `flags` as of [`set`](Self::set).
    ///
    /// # Errors
    /// [`MapError::BatchLengths`]; for one element, as of [`set`](Self::set). It stops at the first
    /// error; what was set before stays.
    pub fn set_batch(
        &mut self,
        indices: &[u32],
        values: &[V],
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        self.map().set_batch(indices, values, flags.into())
    }
}
