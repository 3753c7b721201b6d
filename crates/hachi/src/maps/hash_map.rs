//! `BPF_MAP_TYPE_HASH` and `BPF_MAP_TYPE_LRU_HASH`.

use std::{
    borrow::{Borrow, BorrowMut},
    marker::PhantomData,
    os::fd::AsFd as _,
};

use super::{Iter, Keys, MapData, MapError, MapType, typed_map};
use crate::{
    Pod, features,
    sys::{
        bpf,
        errno::{ENOTSUPP, SyscallError},
    },
};

/// A hash table, plain (Linux ≥ 3.19) or evicting the least recently used element when full (LRU,
/// Linux ≥ 4.10).
#[derive(Debug)]
pub struct HashMap<T, K: Pod, V: Pod> {
    inner: T,
    _types: PhantomData<(K, V)>,
}

impl<T: Borrow<MapData>, K: Pod, V: Pod> HashMap<T, K, V> {
    pub(crate) fn new(map: T) -> Result<Self, MapError> {
        map.borrow().check::<K, V>(
            &[MapType::Hash, MapType::LruHash],
            "HashMap (hash or lru_hash)",
        )?;
        Ok(HashMap {
            inner: map,
            _types: PhantomData,
        })
    }

    /// The value of `key`; [`MapError::KeyNotFound`] when there is none. `flags` is 0 (or
    /// `BPF_F_LOCK`).
    pub fn get(&self, key: &K, flags: u64) -> Result<V, MapError> {
        self.try_get(key, flags)?
            .ok_or_else(|| MapError::KeyNotFound {
                name: self.inner.borrow().name().to_owned(),
            })
    }

    /// As [`get`](Self::get), with an absent key as `None`.
    pub fn try_get(&self, key: &K, flags: u64) -> Result<Option<V>, MapError> {
        self.inner.borrow().get(key, flags)
    }

    /// All elements, in no order. See [`Iter`] for what happens when the map changes meanwhile.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter::new(self.inner.borrow())
    }

    /// All keys, in no order.
    pub fn keys(&self) -> Keys<'_, K> {
        Keys::new(self.inner.borrow())
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> HashMap<T, K, V> {
    /// Sets the value of `key`. `flags`: [`BPF_ANY`](super::BPF_ANY),
    /// [`BPF_NOEXIST`](super::BPF_NOEXIST) or [`BPF_EXIST`](super::BPF_EXIST).
    pub fn insert(
        &mut self,
        key: impl Borrow<K>,
        value: impl Borrow<V>,
        flags: u64,
    ) -> Result<(), MapError> {
        self.inner
            .borrow_mut()
            .set(key.borrow(), value.borrow(), flags)
    }

    /// Removes `key`; [`MapError::KeyNotFound`] when it is not there.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        self.inner.borrow_mut().remove(key)
    }

    /// Removes `key` and returns its value, as one step. Linux ≥ 5.14.
    pub fn take(&mut self, key: &K) -> Result<Option<V>, MapError> {
        let map = self.inner.borrow_mut();
        let mut value = std::mem::MaybeUninit::<V>::uninit();
        // SAFETY: `new` checked that `K` and `V` have the map's sizes.
        let found = unsafe {
            bpf::map_lookup_and_delete(
                map.as_fd(),
                std::ptr::from_ref(key).cast(),
                value.as_mut_ptr().cast(),
                0,
            )
        }
        .map_err(|error| match features::HASH_LOOKUP_AND_DELETE.require() {
            Err(unsupported) => unsupported.into(),
            Ok(()) => map.error(error),
        })?;
        // SAFETY: when the key was found the kernel wrote the whole value, and a Pod accepts any
        // bytes.
        Ok(found.then(|| unsafe { value.assume_init() }))
    }

    /// Sets many values, in one system call where the kernel can (Linux ≥ 5.6), one by one
    /// elsewhere.
    ///
    /// Stops at the first error; what was set before it stays.
    pub fn insert_batch(&mut self, keys: &[K], values: &[V], flags: u64) -> Result<(), MapError> {
        let map = self.inner.borrow_mut();
        if keys.len() != values.len() {
            return Err(MapError::BatchLengths {
                name: map.name().to_owned(),
                keys: keys.len(),
                values: values.len(),
            });
        }
        let mut done = 0;
        while done < keys.len() {
            let count = u32::try_from(keys.len() - done).unwrap_or(u32::MAX);
            // SAFETY: `new` checked the element sizes, and both slices have `count` elements left.
            let batch = unsafe {
                bpf::map_update_batch(
                    map.as_fd(),
                    keys[done..].as_ptr().cast(),
                    values[done..].as_ptr().cast(),
                    count,
                    flags,
                )
            };
            match batch.error {
                None => done += batch.count as usize,
                Some(error) if batch_unsupported(&error) => {
                    for (key, value) in keys[done..].iter().zip(&values[done..]) {
                        map.set(key, value, flags)?;
                    }
                    return Ok(());
                }
                Some(error) => return Err(map.error(error)),
            }
        }
        Ok(())
    }

    /// Removes many keys, in one system call where the kernel can (Linux ≥ 5.6), one by one
    /// elsewhere. Keys that are not there are skipped. Returns the number removed.
    pub fn remove_batch(&mut self, keys: &[K]) -> Result<usize, MapError> {
        let map = self.inner.borrow_mut();
        let mut rest = keys;
        let mut removed = 0;
        while !rest.is_empty() {
            let count = u32::try_from(rest.len()).unwrap_or(u32::MAX);
            // SAFETY: `new` checked the key size, and the slice has `count` keys.
            let batch = unsafe { bpf::map_delete_batch(map.as_fd(), rest.as_ptr().cast(), count) };
            match batch.error {
                None => {
                    removed += batch.count as usize;
                    rest = &rest[(batch.count as usize).max(1)..];
                }
                // The key after the last one deleted was absent.
                Some(error) if error.errno() == libc::ENOENT => {
                    removed += batch.count as usize;
                    rest = &rest[(batch.count as usize + 1).min(rest.len())..];
                }
                Some(error) if batch_unsupported(&error) => {
                    for key in rest {
                        match map.remove(key) {
                            Ok(()) => removed += 1,
                            Err(MapError::KeyNotFound { .. }) => {}
                            Err(error) => return Err(error),
                        }
                    }
                    return Ok(removed);
                }
                Some(error) => return Err(map.error(error)),
            }
        }
        Ok(removed)
    }
}

/// Kernels before 5.6 do not know the command, and map types without it say "not supported".
fn batch_unsupported(error: &SyscallError) -> bool {
    match error.errno() {
        ENOTSUPP | libc::EOPNOTSUPP => true,
        libc::EINVAL => !features::MAP_BATCH.is_supported(),
        _ => false,
    }
}

typed_map!(HashMap<K, V>);
