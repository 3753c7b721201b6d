//! `BPF_MAP_TYPE_LPM_TRIE`.

use std::borrow::{Borrow, BorrowMut};

pub use hachi_common::lpm_trie::Key;

use super::{Iter, Keys, MapData, MapError, view::view};
use crate::Pod;

view! {
    /// Values by prefix: a lookup finds the longest prefix that covers the key. Linux ≥ 4.11.
    ///
    /// ```no_run
    /// # use hachi::maps::{LpmTrie, MapData, lpm_trie::Key};
    /// # use std::net::Ipv4Addr;
    /// # fn f(mut routes: LpmTrie<MapData, [u8; 4], u32>) -> Result<(), hachi::maps::MapError> {
    /// routes.insert(&Key::new(24, Ipv4Addr::new(10, 1, 2, 0).octets()), 1, 0)?;
    /// let hit = routes.get(&Key::new(32, Ipv4Addr::new(10, 1, 2, 77).octets()), 0)?;
    /// # Ok(()) }
    /// ```
    LpmTrie<K, V>: LpmTrie, "LpmTrie (lpm_trie)", Key<K> => V
}

impl<T: Borrow<MapData>, K: Pod, V: Pod> LpmTrie<T, K, V> {
    /// The value of the longest prefix that covers the first `prefix_len` bits of `key`;
    /// [`MapError::KeyNotFound`] when none does. `flags` is 0.
    pub fn get(&self, key: &Key<K>, flags: u64) -> Result<V, MapError> {
        self.try_get(key, flags)?
            .ok_or_else(|| self.map().key_not_found())
    }

    /// As [`get`](Self::get), with no match as `None`.
    pub fn try_get(&self, key: &Key<K>, flags: u64) -> Result<Option<V>, MapError> {
        self.map().get(key, flags)
    }

    /// All prefixes and their values. See [`Iter`] for what happens when the map changes meanwhile.
    pub fn iter(&self) -> Iter<'_, Key<K>, V> {
        Iter::new(self.map())
    }

    /// All prefixes.
    pub fn keys(&self) -> Keys<'_, Key<K>> {
        Keys::new(self.map())
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> LpmTrie<T, K, V> {
    /// Sets the value of the prefix `key`. `flags`: [`BPF_ANY`](super::BPF_ANY),
    /// [`BPF_NOEXIST`](super::BPF_NOEXIST) or [`BPF_EXIST`](super::BPF_EXIST).
    pub fn insert(
        &mut self,
        key: &Key<K>,
        value: impl Borrow<V>,
        flags: u64,
    ) -> Result<(), MapError> {
        self.map().set(key, value.borrow(), flags)
    }

    /// Removes exactly the prefix `key`; [`MapError::KeyNotFound`] when it is not there.
    pub fn remove(&mut self, key: &Key<K>) -> Result<(), MapError> {
        self.map().remove(key)
    }

    /// Sets the values of many prefixes, in one system call where the kernel can (Linux ≥ 5.15),
    /// one by one elsewhere. Stops at the first error; what was set before it stays.
    pub fn insert_batch(
        &mut self,
        keys: &[Key<K>],
        values: &[V],
        flags: u64,
    ) -> Result<(), MapError> {
        self.map().set_batch(keys, values, flags)
    }

    /// As [`insert_batch`](Self::insert_batch), to remove them. Prefixes that are not there are
    /// skipped. Returns the number removed.
    pub fn remove_batch(&mut self, keys: &[Key<K>]) -> Result<usize, MapError> {
        self.map().remove_batch(keys)
    }
}
