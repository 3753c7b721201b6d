//! Values of cgroups, by attachment.

use super::*;

/// The key of [`CgroupStorage`]: `struct bpf_cgroup_storage_key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct CgroupStorageKey {
    cgroup_inode_id: u64,
    attach_type: u32,
    padding: u32,
}

// SAFETY: integers, without padding other than the named.
unsafe impl Pod for CgroupStorageKey {}

impl CgroupStorageKey {
    /// Of the cgroup with this inode number, for programs of this attach type.
    pub const fn new(cgroup_inode_id: u64, attach_type: u32) -> Self {
        CgroupStorageKey {
            cgroup_inode_id,
            attach_type,
            padding: 0,
        }
    }
}

impl<T: Borrow<MapData>, V: Pod> CgroupStorage<T, V> {
    /// The value of an attachment.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, and what the kernel refuses.
    pub fn get(&self, key: CgroupStorageKey, flags: u64) -> Result<V, MapError> {
        let value = self.0.get(&Plain(key), flags)?;
        value.map(|value| value.0).ok_or(MapError::KeyNotFound)
    }
}

impl<T: BorrowMut<MapData>, V: Pod> CgroupStorage<T, V> {
    /// Changes the value of an attachment. The kernel takes no flags here.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, and what the kernel refuses.
    pub fn insert(
        &mut self,
        key: CgroupStorageKey,
        value: impl Borrow<V>,
        _flags: u64,
    ) -> Result<(), MapError> {
        Ok(self.0.set(&Plain(key), Plain::of(value.borrow()))?)
    }
}

impl<T: Borrow<MapData>, V: Pod> PerCpuCgroupStorage<T, V> {
    /// The values of an attachment.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, and what the kernel refuses.
    pub fn get(&self, key: CgroupStorageKey, flags: u64) -> Result<PerCpuValues<V>, MapError> {
        let values = self.0.get(&Plain(key), flags)?;
        values.map(Into::into).ok_or(MapError::KeyNotFound)
    }
}

impl<T: BorrowMut<MapData>, V: Pod> PerCpuCgroupStorage<T, V> {
    /// Changes the values of an attachment. The kernel takes no flags here.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, and what the kernel refuses.
    pub fn insert(
        &mut self,
        key: CgroupStorageKey,
        values: PerCpuValues<V>,
        _flags: u64,
    ) -> Result<(), MapError> {
        Ok(self.0.set(&Plain(key), &values.into_hachi()?)?)
    }
}
