//! The descriptors of programs and maps.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
};

/// The descriptor of a loaded program. Cheap to clone; the kernel keeps the program as long as
/// there is one, or a link or pin.
#[derive(Clone, Debug)]
pub struct ProgramFd(Arc<OwnedFd>);

impl ProgramFd {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        ProgramFd(Arc::new(fd))
    }

    /// A descriptor of its own for the same program.
    ///
    /// # Errors
    /// The system's, when the process has too many open files.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        self.0.try_clone().map(Self::new)
    }
}

impl AsFd for ProgramFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for ProgramFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// The descriptor of a map. Programs not loaded yet share it, so it stays open until all are done.
#[derive(Clone, Debug)]
pub struct MapFd(Arc<OwnedFd>);

impl MapFd {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        MapFd(Arc::new(fd))
    }

    /// A descriptor of its own for the same map.
    ///
    /// # Errors
    /// The system's, when the process has too many open files.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        self.0.try_clone().map(Self::new)
    }
}

impl AsFd for MapFd {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for MapFd {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
