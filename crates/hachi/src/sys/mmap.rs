//! Memory shared with the kernel, or large and empty.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
    ptr::{self, NonNull},
};

use hachi_common::{load_shared, store_shared};

/// A mapping, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Mmap {
    start: NonNull<u8>,
    len: usize,
    writable: bool,
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
        Self::with(
            ptr::null_mut(),
            Some(fd),
            len,
            offset,
            protection,
            libc::MAP_SHARED,
        )
    }

    /// As [`new`](Self::new) from the start of `fd`, at `address` (0: where the kernel likes),
    /// which must be free.
    pub(crate) fn at(address: usize, fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let fixed = if address == 0 {
            0
        } else {
            libc::MAP_FIXED_NOREPLACE
        };
        let address = ptr::without_provenance_mut(address);
        Self::with(
            address,
            Some(fd),
            len,
            0,
            protection,
            libc::MAP_SHARED | fixed,
        )
    }

    /// Maps the first `len` bytes of `fd`, private and readable.
    pub(crate) fn read_only(fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let (protection, sharing) = (libc::PROT_READ, libc::MAP_PRIVATE);
        Self::with(ptr::null_mut(), Some(fd), len, 0, protection, sharing)
    }

    /// Memory of this process alone, zero and writable, that takes room only where it is written.
    #[cfg(feature = "uprobe")]
    pub(crate) fn reserve(len: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let sharing = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        Self::with(ptr::null_mut(), None, len, 0, protection, sharing)
    }

    fn with(
        address: *mut libc::c_void,
        fd: Option<BorrowedFd<'_>>,
        len: usize,
        offset: usize,
        protection: libc::c_int,
        sharing: libc::c_int,
    ) -> io::Result<Self> {
        // SAFETY: a new mapping, at an address the kernel chooses or finds free, touches no memory
        // in use.
        let start = unsafe {
            libc::mmap(
                address,
                len,
                protection,
                sharing,
                fd.map_or(-1, |fd| fd.as_raw_fd()),
                offset as libc::off_t,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        match NonNull::new(start.cast()) {
            Some(start) => Ok(Mmap {
                start,
                len,
                writable: protection & libc::PROT_WRITE != 0,
            }),
            None => Err(io::Error::other("mmap returned address 0")),
        }
    }

    /// The first byte. Valid for the mapping's length until it is dropped; the kernel may write
    /// there at any time.
    #[inline]
    pub(crate) fn ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Bytes mapped.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether this process may write there.
    #[inline]
    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Copies bytes out while others may write them: values of 1, 2, 4 or 8 bytes at a multiple of
    /// their size are read in one piece, others in several. False when they are not all inside.
    #[inline]
    pub(crate) fn read(&self, offset: usize, to: &mut [u8]) -> bool {
        if !self.contains(offset, to.len()) {
            return false;
        }
        // SAFETY: the range was just checked.
        unsafe { load_shared(self.ptr().add(offset), to) };
        true
    }

    /// As [`read`](Self::read), the other way; also false when the mapping is read-only.
    #[inline]
    pub(crate) fn write(&self, offset: usize, from: &[u8]) -> bool {
        if !self.writable || !self.contains(offset, from.len()) {
            return false;
        }
        // SAFETY: the range was just checked, and it is writable.
        unsafe { store_shared(self.ptr().add(offset), from) };
        true
    }

    #[inline]
    fn contains(&self, offset: usize, len: usize) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.len)
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
