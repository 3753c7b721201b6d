//! `BPF_MAP_TYPE_LPM_TRIE`.

use std::borrow::{Borrow, BorrowMut};

pub use hachi_common::lpm_trie::Key;

use super::{ElementFlags, Iter, Keys, MapData, MapError, view::view};
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
    LpmTrie<K, V>: LpmTrie, Key<K> => V
}

impl<T: Borrow<MapData>, K: Pod, V: Pod> LpmTrie<T, K, V> {
    /// The value of the longest prefix that covers the first `prefix_len` bits of `key`. `flags`:
    /// 0.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when none does, [`MapError::PrefixTooLong`] when `prefix_len` is
    /// more than `K` has bits, [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn get(&self, key: &Key<K>, flags: impl Into<ElementFlags>) -> Result<V, MapError> {
        self.try_get(key, flags)?
            .ok_or_else(|| self.map().key_not_found())
    }

    /// As [`get`](Self::get), with no match as `None`.
    ///
    /// # Errors
    /// As [`get`](Self::get), except for [`MapError::KeyNotFound`].
    pub fn try_get(
        &self,
        key: &Key<K>,
        flags: impl Into<ElementFlags>,
    ) -> Result<Option<V>, MapError> {
        check_prefix(self.map(), key)?;
        self.map().get(key, flags.into())
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
    /// Sets the value of the prefix `key`. `flags`: 0, [`ElementFlags::NO_EXIST`] or
    /// [`ElementFlags::EXIST`].
    ///
    /// # Errors
    /// [`MapError::PrefixTooLong`] when `prefix_len` is more than `K` has bits,
    /// [`MapError::InvalidFlags`], and what the kernel refuses: `ENOSPC` when the map is full.
    pub fn insert(
        &mut self,
        key: &Key<K>,
        value: impl Borrow<V>,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        check_prefix(self.map(), key)?;
        self.map().set(key, value.borrow(), flags.into())
    }

    /// Removes exactly the prefix `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when it is not there, [`MapError::PrefixTooLong`], and what the
    /// kernel refuses.
    pub fn remove(&mut self, key: &Key<K>) -> Result<(), MapError> {
        check_prefix(self.map(), key)?;
        self.map().remove(key)
    }

    /// Sets the values of many prefixes, in one system call where the kernel can (Linux ≥ 5.15),
    /// one by one elsewhere. `flags` as of [`insert`](Self::insert).
    ///
    /// # Errors
    /// [`MapError::BatchLengths`], and [`MapError::PrefixTooLong`] with nothing set; for one
    /// prefix, as of [`insert`](Self::insert). It stops at the first error; what was set before
    /// stays.
    pub fn insert_batch(
        &mut self,
        keys: &[Key<K>],
        values: &[V],
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        keys.iter()
            .try_for_each(|key| check_prefix(self.map(), key))?;
        self.map().set_batch(keys, values, flags.into())
    }

    /// As [`insert_batch`](Self::insert_batch), to remove them. Prefixes that are not there are
    /// skipped. Returns the number removed.
    ///
    /// # Errors
    /// [`MapError::PrefixTooLong`], with nothing removed, and what the kernel refuses.
    pub fn remove_batch(&mut self, keys: &[Key<K>]) -> Result<usize, MapError> {
        keys.iter()
            .try_for_each(|key| check_prefix(self.map(), key))?;
        self.map().remove_batch(keys)
    }
}

/// The kernel finds nothing for a prefix that is too long, and refuses to store one with a bare
/// `EINVAL`.
#[inline]
fn check_prefix<K: Pod>(map: &MapData, key: &Key<K>) -> Result<(), MapError> {
    let (prefix_len, max) = (key.prefix_len(), 8 * size_of::<K>() as u32);
    if prefix_len <= max {
        return Ok(());
    }
    Err(MapError::PrefixTooLong {
        name: map.name().to_owned(),
        prefix_len,
        max,
    })
}
