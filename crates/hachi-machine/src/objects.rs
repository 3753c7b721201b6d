//! Objects of the kernel's that live in a program's memory, or that it points to: dynptrs, timers,
//! tasks.

use std::collections::BTreeMap;

use crate::Block;

/// What a dynptr points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Memory: a value, a record, a buffer.
    Memory(u64),
    /// A record of a ring buffer, by the address of its first byte.
    Record(u64),
    /// The packet, from this offset.
    Packet,
}

/// A dynptr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dynptr {
    pub(crate) target: Target,
    pub(crate) offset: u32,
    pub(crate) len: u32,
    pub(crate) read_only: bool,
}

/// A timer in a map's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timer {
    /// The map.
    pub(crate) map: u32,
    /// The program's function, as a pointer.
    pub(crate) callback: u64,
    /// When it expires, if it runs.
    pub(crate) expires: Option<u64>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    /// Dynptrs, by where they lie.
    pub(crate) dynptrs: BTreeMap<u64, Dynptr>,
    /// Timers, by where they lie.
    pub(crate) timers: BTreeMap<u64, Timer>,
    /// Iterators, by where they lie: what is still to come.
    pub(crate) iterators: BTreeMap<u64, Iterator>,
    /// What stands for a socket, by address.
    pub(crate) sockets: BTreeMap<u64, usize>,
    /// What stands for the task that runs.
    pub(crate) task: Option<Block>,
    /// Where a session program keeps its number.
    pub(crate) cookie: Option<u64>,
    /// CPU masks that programs made, by address: how many references there are.
    pub(crate) masks: BTreeMap<u64, u32>,
    /// Of each arena, where the pages begin that nobody has.
    pub(crate) arenas: BTreeMap<u32, u64>,
}

/// An open-coded iterator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Iterator {
    pub(crate) next: i64,
    pub(crate) end: i64,
    /// Where the program finds the number.
    pub(crate) room: u64,
}

impl Objects {
    /// Forgets what belonged to the run that is over.
    pub(crate) fn end_run(&mut self) {
        // Few programs have any, and to clear an empty map is work too.
        if !self.dynptrs.is_empty() {
            self.dynptrs.clear();
        }
        if !self.iterators.is_empty() {
            self.iterators.clear();
        }
        if !self.sockets.is_empty() {
            self.sockets.clear();
        }
        self.task = None;
        self.cookie = None;
    }
}
