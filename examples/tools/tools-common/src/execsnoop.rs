//! `execsnoop`: the ring buffer `EVENTS` has an [`Event`] for each program that is started.

use crate::Comm;
use hachi_common::Pod;

/// How many bytes of a command line are kept.
pub const MAX_ARGS: usize = 256;

/// A process has become another program.
#[derive(Clone, Copy, Debug, Pod)]
#[repr(C)]
pub struct Event {
    /// The process.
    pub pid: u32,
    /// Its parent.
    pub parent: u32,
    /// Its user.
    pub uid: u32,
    /// How many bytes of `args` are set.
    pub args_len: u32,
    /// The new name.
    pub comm: Comm,
    /// The arguments, each with a NUL after it.
    pub args: [u8; MAX_ARGS],
}
