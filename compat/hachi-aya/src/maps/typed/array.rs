//! Arrays.

use super::*;

impl<T: Borrow<MapData>, V: Pod> Array<T, V> {
    /// How many elements there are.
    #[expect(clippy::len_without_is_empty, reason = "an array is never empty")]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// The value at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn get(&self, index: &u32, flags: u64) -> Result<V, MapError> {
        Ok(self.0.get(index, flags)?.0)
    }

    /// All values, by index.
    pub fn iter(&self) -> impl Iterator<Item = Result<V, MapError>> + '_ {
        (0..self.len()).map(|index| self.get(&index, 0))
    }
}

impl<T: BorrowMut<MapData>, V: Pod> Array<T, V> {
    /// Writes the value at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn set(&mut self, index: u32, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, Plain::of(value.borrow()), flags)?)
    }
}

impl<T: Borrow<MapData>, V: Pod> PerCpuArray<T, V> {
    /// How many elements there are.
    #[expect(clippy::len_without_is_empty, reason = "an array is never empty")]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// The values at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn get(&self, index: &u32, flags: u64) -> Result<PerCpuValues<V>, MapError> {
        Ok(self.0.get(index, flags)?.into())
    }

    /// All values, by index.
    pub fn iter(&self) -> impl Iterator<Item = Result<PerCpuValues<V>, MapError>> + '_ {
        (0..self.len()).map(|index| self.get(&index, 0))
    }
}

impl<T: BorrowMut<MapData>, V: Pod> PerCpuArray<T, V> {
    /// Writes the values at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn set(&mut self, index: u32, values: PerCpuValues<V>, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, values.into_hachi()?, flags)?)
    }
}

impl<T: Borrow<MapData>, V: Pod> IterableMap<u32, V> for Array<T, V> {
    fn map(&self) -> &MapData {
        MapData::of(self.0.map())
    }

    fn get(&self, index: &u32) -> Result<V, MapError> {
        Array::get(self, index, 0)
    }
}

impl<T: Borrow<MapData>, V: Pod> IterableMap<u32, PerCpuValues<V>> for PerCpuArray<T, V> {
    fn map(&self) -> &MapData {
        MapData::of(self.0.map())
    }

    fn get(&self, index: &u32) -> Result<PerCpuValues<V>, MapError> {
        PerCpuArray::get(self, index, 0)
    }
}
