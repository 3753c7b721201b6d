//! `BPF_MAP_TYPE_CGROUP_ARRAY`.

use std::{borrow::BorrowMut, os::fd::AsFd};

use super::{ElementFlags, MapData, MapError, view::view};

view! {
    /// Cgroups (version 2) to test packets and tasks against (`bpf_skb_under_cgroup`,
    /// `bpf_current_task_under_cgroup`). Linux ≥ 4.8. User space cannot read it.
    CgroupArray<>: CgroupArray, u32 => u32
}

impl<T: BorrowMut<MapData>> CgroupArray<T> {
    /// Puts a cgroup, by its open directory, at `index`. `flags`: 0.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::InvalidFlags`], and what the kernel refuses: a
    /// descriptor of anything but a cgroup (`EBADF`).
    pub fn set(
        &mut self,
        index: u32,
        cgroup: impl AsFd,
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        self.map().check_index(index)?;
        self.map().put_fd(&index, cgroup.as_fd(), flags.into())
    }

    /// Empties `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`]; [`MapError::KeyNotFound`] when it is empty.
    pub fn clear_index(&mut self, index: &u32) -> Result<(), MapError> {
        self.map().check_index(*index)?;
        self.map().remove(index)
    }
}
