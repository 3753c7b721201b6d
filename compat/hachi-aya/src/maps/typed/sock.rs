//! Maps of sockets.

use super::*;

/// The descriptor of a map of sockets, which programs are attached to.
#[derive(Debug)]
#[repr(transparent)]
pub struct SockMapFd(MapFd);

impl SockMapFd {
    fn of(fd: &MapFd) -> &Self {
        // SAFETY: `repr(transparent)`: a reference to the one is a reference to the other.
        unsafe { &*(fd as *const MapFd).cast() }
    }

    /// A descriptor of its own for the same map.
    ///
    /// # Errors
    /// The system's, when the process has too many open files.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(SockMapFd)
    }
}

impl AsFd for SockMapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T: Borrow<MapData>> SockMap<T> {
    /// The descriptor, which programs are attached to.
    pub fn fd(&self) -> &SockMapFd {
        SockMapFd::of(self.0.fd())
    }
}

impl<T: Borrow<MapData>, K: Pod> SockHash<T, K> {
    /// The descriptor, which programs are attached to.
    pub fn fd(&self) -> &SockMapFd {
        SockMapFd::of(self.0.map().fd())
    }

    /// All keys.
    pub fn keys(&self) -> MapKeys<'_, K> {
        MapKeys::new(self.0.keys().map(|key| key.map(|key| key.0)))
    }
}

impl<T: BorrowMut<MapData>, K: Pod> SockHash<T, K> {
    /// Puts a socket at `key`.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn insert<I: AsRawFd>(
        &mut self,
        key: impl Borrow<K>,
        value: I,
        flags: u64,
    ) -> Result<(), MapError> {
        Ok(self
            .0
            .insert(Plain::of(key.borrow()), borrowed(&value)?, flags)?)
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        Ok(self.0.remove(Plain::of(key))?)
    }
}

macro_rules! sockets {
    ($($view:ident)*) => { $(
        impl<T: Borrow<MapData>> $view<T> {
            /// All indices, filled or not.
            pub fn indices(&self) -> MapKeys<'_, u32> {
                MapKeys::new(self.0.indices())
            }
        }

        impl<T: BorrowMut<MapData>> $view<T> {
            /// Puts a socket at `index`.
            ///
            /// # Errors
            /// [`MapError::OutOfBounds`], and what the kernel refuses.
            pub fn set<I: AsRawFd>(
                &mut self,
                index: u32,
                socket: &I,
                flags: u64,
            ) -> Result<(), MapError> {
                Ok(self.0.set(index, borrowed(socket)?, flags)?)
            }

            /// Empties `index`.
            ///
            /// # Errors
            /// [`MapError::OutOfBounds`], and what the kernel refuses.
            pub fn clear_index(&mut self, index: &u32) -> Result<(), MapError> {
                Ok(self.0.clear_index(index)?)
            }
        }
    )* };
}

sockets! { SockMap ReusePortSockArray }
