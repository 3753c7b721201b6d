//! What can go wrong with a map.

use std::{fmt, io, path::PathBuf};

use crate::{features::Unsupported, pin::PinError, sys::errno::SyscallError};

/// An error of a map operation. Each names the map.
#[derive(Debug)]
#[non_exhaustive]
pub enum MapError {
    /// The object has no map of that name.
    NotFound {
        /// The name asked for.
        name: String,
        /// The names there are.
        available: Vec<String>,
    },

    /// The object has no global variable of that name.
    NoSuchGlobal {
        /// The name asked for.
        name: String,
        /// The names there are.
        available: Vec<String>,
    },

    /// The Rust type given for a global variable is not its type.
    GlobalMismatch {
        /// The variable.
        name: String,
        /// The Rust type given.
        given: &'static str,
        /// Its size.
        size: usize,
        /// The variable's size.
        expected: usize,
        /// The name of its type in the object's BTF, in parentheses; empty where there is none.
        declared: String,
        /// After a colon, which number is elsewhere; empty where it is only the sizes.
        difference: String,
    },

    /// The map is of another type than the typed view.
    InvalidMapType {
        /// The map.
        name: String,
        /// The Rust type and the kernel types it stands for.
        expected: &'static str,
        /// The kernel's name of the map's type.
        actual: String,
    },

    /// The Rust type of the key has another size than the map's keys.
    InvalidKeySize {
        /// The map.
        name: String,
        /// The Rust type given.
        given: &'static str,
        /// Its size.
        size: usize,
        /// Size of the map's keys.
        expected: usize,
        /// The name of their type in the map's BTF, in parentheses; empty where there is none.
        declared: String,
    },

    /// The Rust type of the value has another size than the map's values.
    InvalidValueSize {
        /// The map.
        name: String,
        /// The Rust type given.
        given: &'static str,
        /// Its size.
        size: usize,
        /// Size of the map's values.
        expected: usize,
        /// The name of their type in the map's BTF, in parentheses; empty where there is none.
        declared: String,
    },

    /// The Rust type has the right size, but is something else than the map's BTF says.
    TypeMismatch {
        /// The map.
        name: String,
        /// Keys or values.
        what: &'static str,
        /// The Rust type given.
        given: &'static str,
        /// The type in the map's BTF, as C writes it.
        declared: String,
        /// Which number of the two is elsewhere or of another size, with offsets and sizes of both.
        difference: String,
    },

    /// An array index beyond the end.
    OutOfBounds {
        /// The map.
        name: String,
        /// The index asked for.
        index: u32,
        /// The number of entries.
        max_entries: u32,
    },

    /// There is no such key.
    KeyNotFound {
        /// The map.
        name: String,
    },

    /// A batch with a different number of keys and values.
    BatchLengths {
        /// The map.
        name: String,
        /// Keys given.
        keys: usize,
        /// Values given.
        values: usize,
    },

    /// A number of values other than the number of possible CPUs.
    CpuCount {
        /// The map.
        name: String,
        /// Values given.
        given: usize,
        /// Possible CPUs.
        expected: usize,
    },

    /// The kernel refused to create the map.
    CreateError {
        /// The map.
        name: String,
        /// Type, sizes and entries asked for.
        description: String,
        /// The kernel's answer.
        error: SyscallError,
    },

    /// The kernel refused an operation on the map.
    SyscallError {
        /// The map.
        name: String,
        /// The kernel's answer.
        error: SyscallError,
    },

    /// An error of the operating system outside of bpf(2): memory mapping, waiting, reading sysfs.
    IoError {
        /// The map.
        name: String,
        /// The system's error.
        error: io::Error,
    },

    /// Something else is pinned where the map is to be shared.
    IncompatiblePin {
        /// The map.
        name: String,
        /// The pin.
        path: PathBuf,
        /// What differs, both values.
        difference: String,
    },

    /// A map given to be used by an object is not like the one declared.
    IncompatibleMap {
        /// The map.
        name: String,
        /// What differs, both values.
        difference: String,
    },

    /// An operation this map cannot have.
    Unsuitable {
        /// The map.
        name: String,
        /// Why, and what to do.
        reason: String,
    },

    /// Pinning failed.
    Pin(PinError),

    /// The running kernel is too old for it.
    Unsupported(Unsupported),

    /// The running kernel is too old for the type of a map.
    UnsupportedType {
        /// The map.
        name: String,
        /// What is lacking, and which kernels have it.
        error: Unsupported,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::NotFound { name, available } => write!(
                f,
                "no map {name:?}; the object has {}",
                crate::error::list(available)
            ),
            MapError::NoSuchGlobal { name, available } => write!(
                f,
                "no global variable {name:?}; the object has {}",
                crate::error::list(available)
            ),
            MapError::GlobalMismatch {
                name,
                given,
                size,
                expected,
                declared,
                difference,
            } => write!(
                f,
                "global variable {name:?} has {expected} bytes{declared}; {given} has {size}{difference}"
            ),
            MapError::InvalidMapType {
                name,
                expected,
                actual,
            } => write!(
                f,
                "map {name:?} is of type {actual}; {expected} was asked for"
            ),
            MapError::InvalidKeySize {
                name,
                given,
                size,
                expected,
                declared,
            } => write!(
                f,
                "map {name:?} has keys of {expected} {}{declared}; {given} has {size}",
                bytes(*expected)
            ),
            MapError::InvalidValueSize {
                name,
                given,
                size,
                expected,
                declared,
            } => write!(
                f,
                "map {name:?} has values of {expected} {}{declared}; {given} has {size}",
                bytes(*expected)
            ),
            MapError::TypeMismatch {
                name,
                what,
                given,
                declared,
                difference,
            } => write!(
                f,
                "map {name:?} has {what} of type `{declared}`, which {given} is not: {difference}; \
                 use a type of the same parts, or an array of bytes ([u8; N])"
            ),
            MapError::OutOfBounds {
                name,
                index,
                max_entries,
            } => write!(
                f,
                "index {index} is out of bounds: map {name:?} has {max_entries} entries"
            ),
            MapError::KeyNotFound { name } => write!(f, "map {name:?} has no such key"),
            MapError::BatchLengths { name, keys, values } => {
                write!(f, "map {name:?}: {keys} keys for {values} values")
            }
            MapError::CpuCount {
                name,
                given,
                expected,
            } => write!(
                f,
                "map {name:?} is per-CPU: it takes {expected} values, one for each possible CPU, not {given}"
            ),
            MapError::CreateError {
                name,
                description,
                error,
            } => write!(f, "cannot create map {name:?} ({description}): {error}"),
            MapError::SyscallError { name, error } => write!(f, "map {name:?}: {error}"),
            MapError::IoError { name, error } => write!(f, "map {name:?}: {error}"),
            MapError::IncompatiblePin {
                name,
                path,
                difference,
            } => write!(
                f,
                "map {name:?} cannot use what is pinned at {path}: {difference}; \
                 unpin that (rm {path}) if nothing uses it, or give this map another name or pin directory",
                path = path.display()
            ),
            MapError::IncompatibleMap { name, difference } => write!(
                f,
                "map {name:?} cannot be replaced by the one given: {difference}"
            ),
            MapError::Unsuitable { name, reason } => write!(f, "map {name:?}: {reason}"),
            MapError::Pin(error) => write!(f, "{error}"),
            MapError::Unsupported(error) => write!(f, "{error}"),
            MapError::UnsupportedType { name, error } => {
                write!(f, "cannot create map {name:?}: {error}")
            }
        }
    }
}

/// The unit of so many bytes.
pub(super) fn bytes(number: usize) -> &'static str {
    match number {
        1 => "byte",
        _ => "bytes",
    }
}

impl std::error::Error for MapError {}

impl From<PinError> for MapError {
    fn from(error: PinError) -> Self {
        MapError::Pin(error)
    }
}

impl From<Unsupported> for MapError {
    fn from(error: Unsupported) -> Self {
        MapError::Unsupported(error)
    }
}
