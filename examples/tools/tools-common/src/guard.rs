//! `guard`: the hash table `DENIED` says what may not be done with a file, the ring buffer `EVENTS`
//! has a [`Denial`] for each attempt.

use crate::Comm;
use hachi_common::Pod;

/// The most files.
pub const MAX_FILES: u32 = 1024;
/// It may not be opened.
pub const OPEN: u32 = 1;
/// It may not be executed.
pub const EXEC: u32 = 2;

/// A file, whatever its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod)]
#[repr(C)]
pub struct FileId {
    /// The device of its file system, as the kernel writes it: the major number shifted left by 20,
    /// and the minor one.
    pub device: u64,
    /// The number of its inode.
    pub inode: u64,
}

/// Something was not allowed.
#[derive(Clone, Copy, Debug, Pod)]
#[repr(C)]
pub struct Denial {
    /// The file.
    pub file: FileId,
    /// [`OPEN`] or [`EXEC`].
    pub what: u32,
    /// The process.
    pub pid: u32,
    /// The thread's name.
    pub comm: Comm,
}
