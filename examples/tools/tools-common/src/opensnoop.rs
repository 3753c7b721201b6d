//! `opensnoop`: the ring buffer `EVENTS` has an [`Event`] for each file that is opened.

use crate::Comm;
use hachi_common::Pod;

/// How many bytes of a path are kept.
pub const MAX_PATH: usize = 256;

/// openat(2) has returned.
#[derive(Clone, Copy, Debug, Pod)]
#[repr(C)]
pub struct Event {
    /// The process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// The descriptor, or the negative error number.
    pub result: i32,
    /// The flags (`O_…`).
    pub flags: u32,
    /// The thread's name.
    pub comm: Comm,
    /// The path, as the process gave it, with zeroes after it.
    pub path: [u8; MAX_PATH],
}
