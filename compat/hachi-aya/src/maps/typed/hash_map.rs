//! Hash tables.

use super::*;

table!(HashMap, K, V);
table!(PerCpuHashMap, K, PerCpuValues<V>);

impl<T: Borrow<MapData>, K: Pod, V: Pod> HashMap<T, K, V> {
    /// The value of `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, key: &K, flags: u64) -> Result<V, MapError> {
        Ok(self.0.get(Plain::of(key), flags)?.0)
    }

    /// All keys.
    pub fn keys(&self) -> MapKeys<'_, K> {
        MapKeys::new(self.0.keys().map(|key| key.map(|key| key.0)))
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> HashMap<T, K, V> {
    /// Gives `key` a value. `flags`: 0, `BPF_NOEXIST` or `BPF_EXIST`.
    ///
    /// # Errors
    /// What the kernel refuses: `E2BIG` when the map is full.
    pub fn insert(
        &mut self,
        key: impl Borrow<K>,
        value: impl Borrow<V>,
        flags: u64,
    ) -> Result<(), MapError> {
        let (key, value) = (Plain::of(key.borrow()), Plain::of(value.borrow()));
        Ok(self.0.insert(key, value, flags)?)
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        Ok(self.0.remove(Plain::of(key))?)
    }
}

impl<T: Borrow<MapData>, K: Pod, V: Pod> PerCpuHashMap<T, K, V> {
    /// The values of `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, key: &K, flags: u64) -> Result<PerCpuValues<V>, MapError> {
        Ok(self.0.get(Plain::of(key), flags)?.into())
    }

    /// All keys.
    pub fn keys(&self) -> MapKeys<'_, K> {
        MapKeys::new(self.0.keys().map(|key| key.map(|key| key.0)))
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> PerCpuHashMap<T, K, V> {
    /// Gives `key` values. `flags`: 0, `BPF_NOEXIST` or `BPF_EXIST`.
    ///
    /// # Errors
    /// What the kernel refuses: `E2BIG` when the map is full.
    pub fn insert(
        &mut self,
        key: impl Borrow<K>,
        values: PerCpuValues<V>,
        flags: u64,
    ) -> Result<(), MapError> {
        let values = values.into_hachi()?;
        Ok(self.0.insert(Plain::of(key.borrow()), values, flags)?)
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        Ok(self.0.remove(Plain::of(key))?)
    }
}
