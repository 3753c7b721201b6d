//! `BPF_MAP_TYPE_BLOOM_FILTER`.

use std::borrow::{Borrow, BorrowMut};

use super::{ElementFlags, MapData, MapError, Operation, view::view};
use crate::Pod;

view! {
    /// A set that cannot list or forget its values, and that sometimes claims to have a value that
    /// was never added. Linux ≥ 5.16.
    BloomFilter<V>: BloomFilter, () => V
}

impl<T: Borrow<MapData>, V: Pod> BloomFilter<T, V> {
    /// Whether `value` may have been added. False is certain.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn may_contain(&self, value: &V) -> Result<bool, MapError> {
        // The kernel reads the value it is asked for where it usually writes one.
        let mut asked = *value;
        // SAFETY: there is no key, and the value has the map's size, as `new` has checked.
        unsafe {
            let place = std::ptr::from_mut(&mut asked).cast();
            self.map().lookup_raw(std::ptr::null(), place, 0)
        }
    }

    /// As [`may_contain`](Self::may_contain), with an error for false. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when it was surely not added, [`MapError::InvalidFlags`], and what
    /// the kernel refuses.
    pub fn contains(&self, value: &V, flags: impl Into<ElementFlags>) -> Result<(), MapError> {
        flags
            .into()
            .check(self.map(), Operation::Lookup, ElementFlags::ANY)?;
        match self.may_contain(value)? {
            true => Ok(()),
            false => Err(self.map().key_not_found()),
        }
    }
}

impl<T: BorrowMut<MapData>, V: Pod> BloomFilter<T, V> {
    /// Adds `value`. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn insert(
        &mut self,
        value: impl Borrow<V>,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        let flags = flags.into();
        flags.check(self.map(), Operation::Update, ElementFlags::ANY)?;
        self.map().set(&(), value.borrow(), flags)
    }
}
