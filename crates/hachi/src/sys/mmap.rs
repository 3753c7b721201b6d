//! Memory shared with the kernel.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
    ptr::{self, NonNull},
};

/// A mapping, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Mmap {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain shared memory owned by this value; who accesses it through `ptr`
// takes care of races.
unsafe impl Send for Mmap {}
// SAFETY: as above; `&Mmap` gives nothing but the address.
unsafe impl Sync for Mmap {}

impl Mmap {
    /// Maps `len` bytes of `fd` from `offset` on, shared, readable, and writable if asked.
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        len: usize,
        offset: usize,
        writable: bool,
    ) -> io::Result<Self> {
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        Self::with(fd, len, offset, protection, libc::MAP_SHARED)
    }

    /// Maps the first `len` bytes of `fd`, private and readable.
    pub(crate) fn read_only(fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        Self::with(fd, len, 0, libc::PROT_READ, libc::MAP_PRIVATE)
    }

    fn with(
        fd: BorrowedFd<'_>,
        len: usize,
        offset: usize,
        protection: libc::c_int,
        sharing: libc::c_int,
    ) -> io::Result<Self> {
        // SAFETY: a new mapping at an address the kernel chooses touches no memory in use.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                protection,
                sharing,
                fd.as_raw_fd(),
                offset as libc::off_t,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        match NonNull::new(start.cast()) {
            Some(start) => Ok(Mmap { start, len }),
            None => Err(io::Error::other("mmap returned address 0")),
        }
    }

    /// The first byte. Valid for the mapping's length until it is dropped; the kernel may write
    /// there at any time.
    pub(crate) fn ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Drop for Mmap {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `new` mapped, once.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// The size of a page of memory.
pub(crate) fn page_size() -> usize {
    // SAFETY: no arguments to get wrong.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
