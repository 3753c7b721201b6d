//! `profile`: the hash table `COUNTS` has how often each [`Place`] was seen, the map `STACKS` the
//! stacks.

use crate::Comm;
use hachi_common::Pod;

/// A thread, and how it came to where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod)]
#[repr(C)]
pub struct Place {
    /// The process.
    pub pid: u32,
    /// The number of its stack in user space; negative: none.
    pub user: i32,
    /// The number of its stack in the kernel; negative: none.
    pub kernel: i32,
    /// The thread's name.
    pub comm: Comm,
}
