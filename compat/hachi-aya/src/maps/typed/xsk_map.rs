//! AF_XDP sockets by queue.

use super::*;

impl<T: Borrow<MapData>> XskMap<T> {
    /// How many there is room for.
    #[expect(clippy::len_without_is_empty, reason = "it counts places, not sockets")]
    pub fn len(&self) -> u32 {
        self.0.map().max_entries()
    }
}

impl<T: BorrowMut<MapData>> XskMap<T> {
    /// Puts a socket at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn set(&mut self, index: u32, socket: impl AsRawFd, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, borrowed(&socket)?, flags)?)
    }

    /// Empties `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn unset(&mut self, index: u32) -> Result<(), MapError> {
        Ok(self.0.clear_index(&index)?)
    }
}
