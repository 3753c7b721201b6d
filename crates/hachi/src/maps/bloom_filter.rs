//! `BPF_MAP_TYPE_BLOOM_FILTER`.

use std::borrow::{Borrow, BorrowMut};

use super::{MapData, MapError, view::view};
use crate::Pod;

view! {
    /// A set that cannot list its values, nor forget them, and that sometimes claims to have one it
    /// has not. Linux ≥ 5.16.
    BloomFilter<V>: BloomFilter, "BloomFilter (bloom_filter)", () => V
}

impl<T: Borrow<MapData>, V: Pod> BloomFilter<T, V> {
    /// Whether it may have `value`. False is certain.
    pub fn may_contain(&self, value: &V) -> Result<bool, MapError> {
        // The kernel reads the value it is asked for where it usually writes one.
        let mut asked = *value;
        // SAFETY: there is no key, and the value has the map's size, as `new` has checked.
        unsafe {
            let place = std::ptr::from_mut(&mut asked).cast();
            self.map().lookup_raw(std::ptr::null(), place, 0)
        }
    }

    /// As [`may_contain`](Self::may_contain), with [`MapError::KeyNotFound`] for false. `flags` is
    /// 0.
    pub fn contains(&self, value: &V, flags: u64) -> Result<(), MapError> {
        debug_assert_eq!(flags, 0);
        match self.may_contain(value)? {
            true => Ok(()),
            false => Err(self.map().key_not_found()),
        }
    }
}

impl<T: BorrowMut<MapData>, V: Pod> BloomFilter<T, V> {
    /// Adds `value`. `flags` is 0.
    pub fn insert(&mut self, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
        self.map().set(&(), value.borrow(), flags)
    }
}
