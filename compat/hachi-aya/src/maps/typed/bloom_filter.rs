//! Sets that may say yes wrongly.

use super::*;

impl<T: Borrow<MapData>, V: Pod> BloomFilter<T, V> {
    /// Whether `value` may have been added.
    ///
    /// # Errors
    /// [`MapError::ElementNotFound`] when it was surely not, and what the kernel refuses.
    pub fn contains(&self, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
        let found = self.0.contains(Plain::of(value.borrow()), flags);
        found.map_err(MapError::from).map_err(no_element)
    }
}

impl<T: BorrowMut<MapData>, V: Pod> BloomFilter<T, V> {
    /// Adds a value.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn insert(&mut self, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
        Ok(self.0.insert(Plain::of(value.borrow()), flags)?)
    }
}
