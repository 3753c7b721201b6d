//! Values of sockets, inodes and cgroups.

use super::*;

macro_rules! storages {
    ($($view:ident)*) => { $(
        impl<T: Borrow<MapData>, V: Pod> $view<T, V> {
            /// The value of what the descriptor stands for.
            ///
            /// # Errors
            /// [`MapError::KeyNotFound`] when it has none, and what the kernel refuses.
            pub fn get(&self, fd: &impl AsRawFd, flags: u64) -> Result<V, MapError> {
                match self.0.get(borrowed(fd)?, flags)? {
                    Some(value) => Ok(value.0),
                    None => Err(MapError::KeyNotFound),
                }
            }
        }

        impl<T: BorrowMut<MapData>, V: Pod> $view<T, V> {
            /// Gives what the descriptor stands for a value.
            ///
            /// # Errors
            /// What the kernel refuses.
            pub fn insert(
                &mut self,
                fd: &impl AsRawFd,
                value: impl Borrow<V>,
                flags: u64,
            ) -> Result<(), MapError> {
                Ok(self.0.insert(borrowed(fd)?, Plain::of(value.borrow()), flags)?)
            }

            /// Removes the value of what the descriptor stands for.
            ///
            /// # Errors
            /// [`MapError::KeyNotFound`] when it has none, and what the kernel refuses.
            pub fn remove(&mut self, fd: &impl AsRawFd) -> Result<(), MapError> {
                Ok(self.0.remove(borrowed(fd)?)?)
            }
        }
    )* };
}

storages! { CgrpStorage InodeStorage SkStorage }
