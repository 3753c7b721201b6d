//! Maps that cannot be made.

use std::fmt;

use hachi_obj::MapType;

use crate::{Errno, Fault};

/// A map that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateError {
    /// The map's name.
    pub map: String,
    /// Its type.
    pub kind: MapType,
    /// What the kernel would answer.
    pub errno: Errno,
    /// Why.
    pub reason: Refusal,
}

/// Why a map cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Keys of maps of its type have another size.
    KeySize {
        /// The least, in bytes.
        least: u32,
        /// The most.
        most: u32,
    },
    /// The size of its keys is 0.
    NoKeySize,
    /// The size of its values is 0.
    NoValueSize,
    /// Maps of its type have no keys, and it gives a size for them.
    HasNoKeys,
    /// Maps of its type have no values, and it gives a size for them.
    HasNoValues,
    /// It has no room for entries.
    NoEntries,
    /// The size of a ring buffer is not a power of two, or not a multiple of a page.
    RingSize,
    /// An LPM trie without `BPF_F_NO_PREALLOC`.
    NeedsNoPrealloc,
    /// An arena of more than 4 GiB.
    ArenaSize,
    /// Maps of its type mean nothing off-kernel.
    OffKernel,
    /// The budget of memory is spent.
    OutOfMemory,
    /// Its first contents cannot be written.
    Contents(Fault),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (map, kind, errno) = (&self.map, self.kind.name(), self.errno);
        write!(f, "map `{map}` ({kind}) cannot be made ({errno}): ")?;
        match &self.reason {
            Refusal::KeySize { least, most } if least == most => {
                write!(f, "its keys must have {least} bytes")
            }
            Refusal::KeySize { least, most } => {
                write!(f, "its keys must have {least} to {most} bytes")
            }
            Refusal::NoKeySize => f.write_str("its keys must have at least 1 byte"),
            Refusal::NoValueSize => f.write_str("its values must have at least 1 byte"),
            Refusal::HasNoKeys => f.write_str("it has no keys, so their size must be 0"),
            Refusal::HasNoValues => f.write_str("it has no values, so their size must be 0"),
            Refusal::NoEntries => f.write_str("max_entries is 0"),
            Refusal::RingSize => {
                f.write_str("its size must be a power of two and a multiple of a page")
            }
            Refusal::NeedsNoPrealloc => f.write_str("an LPM trie needs BPF_F_NO_PREALLOC"),
            Refusal::ArenaSize => f.write_str("it has more than 4 GiB"),
            Refusal::OffKernel => write!(f, "maps of type {kind} mean nothing off-kernel"),
            Refusal::OutOfMemory => f.write_str("the budget of memory is spent"),
            Refusal::Contents(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for CreateError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_made_of_the_fields() {
        let say = |kind, reason| {
            let map = "M".to_owned();
            let errno = Errno::EINVAL;
            CreateError {
                map,
                kind,
                errno,
                reason,
            }
            .to_string()
        };
        let four = Refusal::KeySize { least: 4, most: 4 };
        assert_eq!(
            say(MapType::Array, four),
            "map `M` (array) cannot be made (EINVAL): its keys must have 4 bytes"
        );
        let range = Refusal::KeySize {
            least: 5,
            most: 260,
        };
        assert!(say(MapType::LpmTrie, range).ends_with("its keys must have 5 to 260 bytes"));
        assert!(
            say(MapType::InsnArray, Refusal::OffKernel)
                .ends_with("maps of type insn_array mean nothing off-kernel")
        );
    }
}
