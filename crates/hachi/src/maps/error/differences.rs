//! What maps are created with, and how they differ from what is declared.

use std::fmt;

use hachi_obj::MapType;

/// What a map was to be created with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapParameters {
    /// The type.
    pub map_type: MapType,
    /// Bytes per key.
    pub key_size: u32,
    /// Bytes per value.
    pub value_size: u32,
    /// The most elements; bytes of a ring buffer.
    pub max_entries: u32,
    /// `BPF_F_*` flags.
    pub flags: u32,
}

impl fmt::Display for MapParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}-byte keys, {}-byte values, max_entries {}, flags {:#x}",
            self.map_type.name(),
            self.key_size,
            self.value_size,
            self.max_entries,
            self.flags
        )
    }
}

/// In what a map that exists differs from one that an object declares.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapDifference {
    /// The types, by the kernel's names.
    Type {
        /// Of the map that exists.
        found: String,
        /// In the object.
        declared: String,
    },
    /// Bytes per key.
    KeySize {
        /// Of the map that exists.
        found: u32,
        /// In the object.
        declared: u32,
    },
    /// Bytes per value.
    ValueSize {
        /// Of the map that exists.
        found: u32,
        /// In the object.
        declared: u32,
    },
    /// The most elements.
    MaxEntries {
        /// Of the map that exists.
        found: u32,
        /// In the object.
        declared: u32,
    },
    /// Those of the flags that say who may read and write it (`BPF_F_RDONLY` and the like).
    AccessFlags {
        /// Of the map that exists.
        found: u32,
        /// In the object.
        declared: u32,
    },
}

impl fmt::Display for MapDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapDifference::Type { found, declared } => {
                write!(f, "type {found} there, {declared} in the object")
            }
            MapDifference::KeySize { found, declared } => {
                write!(f, "key size {found} there, {declared} in the object")
            }
            MapDifference::ValueSize { found, declared } => {
                write!(f, "value size {found} there, {declared} in the object")
            }
            MapDifference::MaxEntries { found, declared } => {
                write!(f, "max_entries {found} there, {declared} in the object")
            }
            MapDifference::AccessFlags { found, declared } => {
                write!(
                    f,
                    "access flags {found:#x} there, {declared:#x} in the object"
                )
            }
        }
    }
}

/// A number in a Rust type that is not the number in that place of the type declared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayoutDifference {
    /// The number in the Rust type.
    pub given: Number,
    /// What lies in that place according to BTF.
    pub declared: Number,
}

impl fmt::Display for LayoutDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.given.write(f, "the number")?;
        write!(f, " lies across ")?;
        self.declared.write(f, "the number there")
    }
}

/// A number inside of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Number {
    /// How to get to it, as in `pairs[0].first`; empty if the type is this number.
    pub path: String,
    /// Bytes from the start of the type.
    pub offset: usize,
    /// Bytes of it.
    pub size: usize,
}

impl Number {
    fn write(&self, f: &mut fmt::Formatter<'_>, unnamed: &str) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "{unnamed}")?,
            path => write!(f, "`{path}`")?,
        }
        write!(f, " ({} at offset {})", bytes(self.size), self.offset)
    }
}

/// A number of bytes, with its unit.
pub(super) fn bytes(number: usize) -> String {
    match number {
        1 => "1 byte".to_owned(),
        number => format!("{number} bytes"),
    }
}
