//! Cgroups by index.

use super::*;

impl<T: BorrowMut<MapData>> CgroupArray<T> {
    /// Puts a cgroup at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn set(&mut self, index: u32, cgroup: impl AsRawFd, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, borrowed(&cgroup)?, flags)?)
    }

    /// Empties `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn unset(&mut self, index: u32) -> Result<(), MapError> {
        Ok(self.0.clear_index(&index)?)
    }
}

impl<T: Borrow<MapData>> CgroupArray<T> {
    /// How many there is room for.
    #[expect(clippy::len_without_is_empty, reason = "it counts places, not cgroups")]
    pub fn len(&self) -> u32 {
        self.0.map().max_entries()
    }
}
