//! `BPF_MAP_TYPE_CGROUP_STORAGE` and `BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE`.

use std::borrow::{Borrow, BorrowMut};

use super::{ElementFlags, Iter, Keys, MapData, MapError, PerCpuIter, PerCpuValues, view::view};
use crate::Pod;

view! {
    /// A value for each cgroup that one of the object's programs is attached to
    /// (`bpf_get_local_storage`). Elements come and go with attachments; user space only changes
    /// them. Linux ≥ 4.19. (For new programs there is [`CgrpStorage`](super::CgrpStorage).)
    ///
    /// Keys are as declared: [`CgroupStorageKey`], or, from Linux 5.9 on, a `u64`: the cgroup's id,
    /// for all kinds of attachments together.
    CgroupStorage<K, V>: CgroupStorage, K => V
}

view! {
    /// As [`CgroupStorage`], with one value for each possible CPU. Linux ≥ 4.20.
    PerCpuCgroupStorage<K, V>: PercpuCgroupStorage, K => V
}

/// `struct bpf_cgroup_storage_key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CgroupStorageKey {
    /// The inode number of the cgroup's directory.
    pub cgroup_inode_id: u64,
    /// How the program is attached: `enum bpf_attach_type`.
    pub attach_type: u32,
    /// The end of the struct; 0.
    pub padding: u32,
}

// SAFETY: integers, without padding other than the named.
unsafe impl Pod for CgroupStorageKey {}

impl<T: Borrow<MapData>, K: Pod, V: Pod> CgroupStorage<T, K, V> {
    /// The value of `key`; `None` when no program is attached there. `flags`: 0 or
    /// [`ElementFlags::LOCK`].
    ///
    /// # Errors
    /// [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn get(&self, key: &K, flags: impl Into<ElementFlags>) -> Result<Option<V>, MapError> {
        self.map().get(key, flags.into())
    }

    /// All keys.
    pub fn keys(&self) -> Keys<'_, K> {
        Keys::new(self.map())
    }

    /// All elements.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter::new(self.map())
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> CgroupStorage<T, K, V> {
    /// Changes the value of `key`, which must exist.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` when no program is attached there.
    pub fn set(&mut self, key: &K, value: &V) -> Result<(), MapError> {
        self.map().set(key, value, ElementFlags::EXIST)
    }
}

impl<T: Borrow<MapData>, K: Pod, V: Pod> PerCpuCgroupStorage<T, K, V> {
    /// The values of `key`; `None` when no program is attached there. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn get(
        &self,
        key: &K,
        flags: impl Into<ElementFlags>,
    ) -> Result<Option<PerCpuValues<V>>, MapError> {
        let mut values = PerCpuValues::default();
        Ok(self
            .map()
            .get_per_cpu(key, flags.into(), &mut values)?
            .then_some(values))
    }

    /// All keys.
    pub fn keys(&self) -> Keys<'_, K> {
        Keys::new(self.map())
    }

    /// All elements.
    pub fn iter(&self) -> PerCpuIter<'_, K, V> {
        PerCpuIter::new(self.map())
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> PerCpuCgroupStorage<T, K, V> {
    /// Changes the values of `key`, which must exist.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` when no program is attached there.
    pub fn set(&mut self, key: &K, values: &PerCpuValues<V>) -> Result<(), MapError> {
        self.map().set_per_cpu(key, values, ElementFlags::EXIST)
    }
}
