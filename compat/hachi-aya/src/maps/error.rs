//! What can go wrong with maps.

use std::{error::Error, fmt, io};

use hachi_aya_obj::{InvalidTypeBinding, generated::bpf_map_type};

use crate::{pin::PinError, sys::SyscallError};

/// An error of creating, reading or writing a map.
#[derive(Debug)]
pub enum MapError {
    /// The map is not of the type that the Rust type stands for.
    InvalidMapType {
        /// The map's type.
        map_type: u32,
    },
    /// The name cannot be passed to the kernel.
    InvalidName {
        /// The name.
        name: String,
    },
    /// The kernel refused to create the map.
    CreateError {
        /// The map.
        name: String,
        /// Its answer.
        io_error: io::Error,
    },
    /// The key's type has not the size of the map's keys.
    InvalidKeySize {
        /// The type's size.
        size: usize,
        /// The map's.
        expected: usize,
    },
    /// The value's type has not the size of the map's values.
    InvalidValueSize {
        /// The type's size.
        size: usize,
        /// The map's.
        expected: usize,
    },
    /// The map's values are not made of as many entries as they should.
    InvalidValueStride {
        /// The size of its values.
        size: usize,
        /// The size of an entry.
        stride: usize,
    },
    /// The index is beyond the map's capacity.
    OutOfBounds {
        /// The index.
        index: u32,
        /// The capacity.
        max_entries: u32,
    },
    /// The map has no such key.
    KeyNotFound,
    /// The map has no such element: a queue or stack is empty, a filter surely lacks the value.
    ElementNotFound,
    /// The program to be put into the map is not loaded.
    ProgramNotLoaded,
    /// The map's values have no room for a program.
    ProgIdNotSupported,
    /// The kernel does not take these flags.
    UnsupportedMapFlags {
        /// The flags.
        flags: u32,
        /// Why.
        reason: &'static str,
    },
    /// A map that is declared to be pinned cannot be.
    PinError {
        /// The map.
        name: Option<String>,
        /// Why.
        error: PinError,
    },
    /// A map of maps says nothing of the maps it is for.
    MissingInnerMapDefinition {
        /// The map.
        outer_name: String,
    },
    /// The kernel, or this version of Hachi, has no maps of that type.
    Unsupported {
        /// The map.
        name: String,
        /// Its type.
        map_type: bpf_map_type,
    },
    /// Something went wrong with the system.
    IoError(io::Error),
    /// A system call failed.
    SyscallError(SyscallError),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::InvalidMapType { map_type } => {
                write!(
                    f,
                    "the map has type {map_type}, which is not the one asked for"
                )
            }
            MapError::InvalidName { name } => write!(f, "not a name for a map: `{name}`"),
            MapError::CreateError { name, io_error } => {
                write!(f, "cannot create map `{name}`: {io_error}")
            }
            MapError::InvalidKeySize { size, expected } => {
                write!(
                    f,
                    "the key has {size} bytes, the map's keys have {expected}"
                )
            }
            MapError::InvalidValueSize { size, expected } => {
                write!(
                    f,
                    "the value has {size} bytes, the map's values have {expected}"
                )
            }
            MapError::InvalidValueStride { size, stride } => {
                write!(
                    f,
                    "the map's values have {size} bytes, which is no multiple of {stride}"
                )
            }
            MapError::OutOfBounds { index, max_entries } => {
                write!(
                    f,
                    "index {index} is beyond the map's {max_entries} elements"
                )
            }
            MapError::KeyNotFound => f.write_str("the map has no such key"),
            MapError::ElementNotFound => f.write_str("the map has no such element"),
            MapError::ProgramNotLoaded => f.write_str("the program is not loaded"),
            MapError::ProgIdNotSupported => {
                f.write_str("the map's values have no room for a program (Linux < 5.8)")
            }
            MapError::UnsupportedMapFlags { flags, reason } => {
                write!(f, "flags {flags:#x} are not supported: {reason}")
            }
            MapError::PinError { name, error } => match name {
                Some(name) => write!(f, "cannot pin map `{name}`: {error}"),
                None => write!(f, "cannot pin the map: {error}"),
            },
            MapError::MissingInnerMapDefinition { outer_name } => {
                write!(f, "map `{outer_name}` does not say which maps it is for")
            }
            MapError::Unsupported { name, map_type } => {
                write!(
                    f,
                    "map `{name}` has type {map_type:?}, which is not supported here"
                )
            }
            MapError::IoError(error) => write!(f, "{error}"),
            MapError::SyscallError(error) => write!(f, "{error}: {}", error.io_error),
        }
    }
}

impl Error for MapError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            MapError::CreateError { io_error, .. } | MapError::IoError(io_error) => Some(io_error),
            MapError::PinError { error, .. } => Some(error),
            MapError::SyscallError(error) => Some(error),
            _ => None,
        }
    }
}

impl From<InvalidTypeBinding<u32>> for MapError {
    fn from(error: InvalidTypeBinding<u32>) -> Self {
        MapError::InvalidMapType {
            map_type: error.value,
        }
    }
}

impl From<io::Error> for MapError {
    fn from(error: io::Error) -> Self {
        MapError::IoError(error)
    }
}

impl From<SyscallError> for MapError {
    fn from(error: SyscallError) -> Self {
        MapError::SyscallError(error)
    }
}

impl From<PinError> for MapError {
    fn from(error: PinError) -> Self {
        MapError::PinError { name: None, error }
    }
}

impl From<hachi::maps::MapError> for MapError {
    fn from(error: hachi::maps::MapError) -> Self {
        use hachi::maps::MapError as Hachi;
        match error {
            Hachi::KeyNotFound { .. } => MapError::KeyNotFound,
            Hachi::CreateError { name, error, .. } => MapError::CreateError {
                name,
                io_error: crate::sys::io_error(&error),
            },
            Hachi::InvalidKeySize { size, expected, .. } => {
                MapError::InvalidKeySize { size, expected }
            }
            Hachi::InvalidValueSize { size, expected, .. } => {
                MapError::InvalidValueSize { size, expected }
            }
            Hachi::OutOfBounds {
                index, max_entries, ..
            } => MapError::OutOfBounds { index, max_entries },
            Hachi::Pin(error) => MapError::PinError {
                name: None,
                error: error.into(),
            },
            Hachi::SyscallError { error, .. } => MapError::SyscallError(error.into()),
            // What Aya leaves to the kernel, Hachi often says before.
            other => MapError::SyscallError(SyscallError {
                call: "bpf",
                io_error: io::Error::new(io::ErrorKind::InvalidInput, other),
            }),
        }
    }
}
