//! Operations that a map cannot have.

use std::fmt;

/// Why a map cannot have an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsuitable {
    /// It was created without `BPF_F_MMAPABLE`.
    NotMappable,
    /// It was frozen when it was loaded, or created read-only.
    Constant,
    /// An arena with `BPF_F_SEGV_ON_FAULT`: touching a page that no program has allocated would
    /// end the process.
    FaultsOnAccess,
    /// A stack trace map with `BPF_F_STACK_BUILD_ID`.
    BuildIds,
    /// Values of 4 bytes, where a socket's cookie has 8.
    NoRoomForCookie,
    /// Values of 4 bytes, where a program takes another 4.
    NoRoomForProgram,
    /// Bytes that do not lie in its memory.
    OutsideMemory {
        /// The first.
        offset: usize,
        /// How many.
        len: usize,
        /// Bytes that there are.
        size: usize,
    },
    /// A message that is larger than the user ring buffer can ever take.
    MessageTooLarge {
        /// Bytes of the message.
        size: usize,
        /// The most it takes.
        capacity: usize,
    },
    /// A ring buffer whose size is not a power of two of pages.
    RingBufSize {
        /// Its size in bytes.
        size: usize,
    },
    /// A number of pages that is not a power of two, or too large, for a perf buffer.
    BufferPages {
        /// The number given.
        pages: usize,
    },
    /// A set of operations (`struct_ops`) declared among the maps.
    OperationsAmongMaps,
    /// Variables that do not fit the arena they are to lie in.
    VariablesTooLarge {
        /// Bytes of the variables.
        size: usize,
        /// Bytes of the arena.
        capacity: usize,
    },
    /// A map of maps that is to hold one that the object does not have.
    NoInnerMap {
        /// The name of the one to be held.
        inner: String,
    },
}

impl fmt::Display for Unsuitable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsuitable::NotMappable => write!(
                f,
                "it cannot be memory-mapped; declare it with the flag BPF_F_MMAPABLE"
            ),
            Unsuitable::Constant => write!(
                f,
                "it is constant: frozen when it was loaded, or created read-only"
            ),
            Unsuitable::FaultsOnAccess => write!(
                f,
                "it has the flag BPF_F_SEGV_ON_FAULT, and only programs know which of its pages \
                 exist; use `as_ptr`"
            ),
            Unsuitable::BuildIds => write!(
                f,
                "it has build ids instead of addresses (BPF_F_STACK_BUILD_ID); read it as bytes"
            ),
            Unsuitable::NoRoomForCookie => write!(
                f,
                "its values of 4 bytes have no room for a socket's cookie; declare it with values \
                 of 8"
            ),
            Unsuitable::NoRoomForProgram => write!(
                f,
                "its values of 4 bytes have no room for a program; declare it with values of 8 \
                 (Linux ≥ 5.8; CPU maps: 5.9)"
            ),
            Unsuitable::OutsideMemory { offset, len, size } => write!(
                f,
                "bytes {offset} to {} are beyond its {size} bytes",
                offset.saturating_add(*len)
            ),
            Unsuitable::MessageTooLarge { size, capacity } => write!(
                f,
                "a message of {size} bytes never fits: it takes {capacity} at most"
            ),
            Unsuitable::RingBufSize { size } => write!(
                f,
                "a ring buffer of {size} bytes is not a power of two of pages"
            ),
            Unsuitable::BufferPages { pages } => write!(
                f,
                "a perf buffer has a power of two of pages, 2^20 at most, not {pages}"
            ),
            Unsuitable::OperationsAmongMaps => write!(
                f,
                "a set of operations is a variable in section .struct_ops, not a map in .maps"
            ),
            Unsuitable::VariablesTooLarge { size, capacity } => write!(
                f,
                "its variables take {size} bytes, the arena has {capacity}; raise max_entries \
                 (pages)"
            ),
            Unsuitable::NoInnerMap { inner } => {
                write!(f, "it is to hold map {inner:?}, which does not exist")
            }
        }
    }
}
