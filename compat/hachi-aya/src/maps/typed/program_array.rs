//! Programs by index, for tail calls.

use super::*;

impl<T: Borrow<MapData>> ProgramArray<T> {
    /// All indices, filled or not.
    pub fn indices(&self) -> MapKeys<'_, u32> {
        MapKeys::new(self.0.indices())
    }
}

impl<T: BorrowMut<MapData>> ProgramArray<T> {
    /// Puts a program at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses: a program of another type.
    pub fn set(&mut self, index: u32, program: &ProgramFd, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, program, flags)?)
    }

    /// Empties `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn clear_index(&mut self, index: &u32) -> Result<(), MapError> {
        Ok(self.0.clear_index(index)?)
    }
}
