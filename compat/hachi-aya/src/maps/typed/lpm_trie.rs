//! Tables of prefixes.

use hachi::maps::lpm_trie::Key;

use super::*;

table!(LpmTrie, Key<K>, V);

impl<T: Borrow<MapData>, K: Pod, V: Pod> LpmTrie<T, K, V> {
    /// The value of the longest prefix that fits `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, key: &Key<K>, flags: u64) -> Result<V, MapError> {
        let key = Key::new(key.prefix_len(), Plain(key.data()));
        Ok(self.0.get(&key, flags)?.0)
    }

    /// All prefixes.
    pub fn keys(&self) -> MapKeys<'_, Key<K>> {
        let keys = self.0.keys();
        MapKeys::new(keys.map(|key| key.map(|key| Key::new(key.prefix_len(), key.data().0))))
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> LpmTrie<T, K, V> {
    /// Gives a prefix a value. `flags`: 0, `BPF_NOEXIST` or `BPF_EXIST`.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOSPC` when the map is full.
    pub fn insert(
        &mut self,
        key: &Key<K>,
        value: impl Borrow<V>,
        flags: u64,
    ) -> Result<(), MapError> {
        let key = Key::new(key.prefix_len(), Plain(key.data()));
        Ok(self.0.insert(&key, Plain::of(value.borrow()), flags)?)
    }

    /// Removes a prefix.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &Key<K>) -> Result<(), MapError> {
        let key = Key::new(key.prefix_len(), Plain(key.data()));
        Ok(self.0.remove(&key)?)
    }
}
