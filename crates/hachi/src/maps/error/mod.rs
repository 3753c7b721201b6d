//! What can go wrong with a map.

mod differences;
mod unsuitable;

use std::{fmt, io, path::PathBuf};

use hachi_obj::MapType;

use super::flags::{ElementFlags, Operation};
use crate::{features::Unsupported, pin::PinError, sys::errno::SyscallError};
use differences::bytes;
pub use differences::{LayoutDifference, MapDifference, MapParameters, Number};
pub use unsuitable::Unsuitable;

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

    /// The object has a map of that name, but [`Ebpf::take_map`](crate::Ebpf::take_map) gave it
    /// away.
    Taken {
        /// The map.
        name: String,
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
        /// The name of its type in the object's BTF, where there is one.
        declared: Option<String>,
        /// Where the two types differ; `None` when only their sizes do.
        difference: Option<Box<LayoutDifference>>,
    },

    /// The map is of another type than the typed view.
    InvalidMapType {
        /// The map.
        name: String,
        /// The Rust type asked for.
        view: &'static str,
        /// The map types it stands for.
        expected: &'static [MapType],
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
        /// The name of their type in the map's BTF, where there is one.
        declared: Option<String>,
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
        /// The name of their type in the map's BTF, where there is one.
        declared: Option<String>,
    },

    /// The Rust type has the right size, but is something else than the map's BTF says.
    TypeMismatch {
        /// The map.
        name: String,
        /// Keys or values.
        part: ElementPart,
        /// The Rust type given.
        given: &'static str,
        /// The type in the map's BTF, as C writes it.
        declared: String,
        /// Where the two types differ.
        difference: Box<LayoutDifference>,
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

    /// A prefix longer than the keys of a longest-prefix-match map.
    PrefixTooLong {
        /// The map.
        name: String,
        /// Bits of the prefix.
        prefix_len: u32,
        /// Bits of a key's data.
        max: u32,
    },

    /// Flags that the operation does not take.
    InvalidFlags {
        /// The map.
        name: String,
        /// The operation.
        operation: Operation,
        /// The flags given.
        flags: ElementFlags,
        /// Those it takes.
        allowed: ElementFlags,
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

    /// A CPU that is offline, or does not exist.
    CpuOffline {
        /// The map.
        name: String,
        /// The CPU asked for.
        cpu: u32,
        /// The CPUs that are online.
        online: Vec<u32>,
    },

    /// A CPU number beyond the possible ones.
    NoSuchCpu {
        /// The map.
        name: String,
        /// The CPU asked for.
        cpu: u32,
        /// How many CPUs are possible: their numbers are below.
        possible: usize,
    },

    /// This process has a reader of the ring buffer already (of a user ring buffer, a writer). A
    /// second one would be handed records that the first still looks at.
    RingBufInUse {
        /// The map.
        name: String,
    },

    /// The kernel refused to create the map.
    CreateError {
        /// The map.
        name: String,
        /// What was asked for.
        parameters: Box<MapParameters>,
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
        /// In what it differs; not empty.
        differences: Vec<MapDifference>,
    },

    /// A map given to be used by an object is not like the one declared.
    IncompatibleMap {
        /// The map.
        name: String,
        /// In what it differs; not empty.
        differences: Vec<MapDifference>,
    },

    /// An operation this map cannot have.
    Unsuitable {
        /// The map, or the global variable.
        name: String,
        /// Why.
        reason: Unsuitable,
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

/// A half of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElementPart {
    /// Its key.
    Key,
    /// Its value.
    Value,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::NotFound { name, available } => write!(
                f,
                "no map {name:?}; the object has {}",
                crate::error::list(available)
            ),
            MapError::Taken { name } => write!(
                f,
                "map {name:?} was taken out of the object (take_map): use what that returned"
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
            } => {
                write!(f, "global variable {name:?} has {}", bytes(*expected))?;
                in_parentheses(f, declared.as_deref())?;
                write!(f, "; {given} has {size}")?;
                match difference {
                    Some(difference) => write!(f, ": {difference}"),
                    None => Ok(()),
                }
            }
            MapError::InvalidMapType {
                name,
                view,
                expected,
                actual,
            } => {
                write!(f, "map {name:?} is of type {actual}; {view} is for ")?;
                for (index, kind) in expected.iter().enumerate() {
                    let before = match index {
                        0 => "",
                        _ if index + 1 == expected.len() => " and ",
                        _ => ", ",
                    };
                    write!(f, "{before}{}", kind.name())?;
                }
                Ok(())
            }
            MapError::InvalidKeySize {
                name,
                given,
                size,
                expected,
                declared,
            } => wrong_size(f, name, "keys", (*expected, declared), (given, *size)),
            MapError::InvalidValueSize {
                name,
                given,
                size,
                expected,
                declared,
            } => wrong_size(f, name, "values", (*expected, declared), (given, *size)),
            MapError::TypeMismatch {
                name,
                part,
                given,
                declared,
                difference,
            } => write!(
                f,
                "map {name:?} has {part} of type `{declared}`, which {given} is not: {difference}; \
                 use a type of the same parts, or an array of bytes ([u8; N])",
                part = match part {
                    ElementPart::Key => "keys",
                    ElementPart::Value => "values",
                }
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
            MapError::PrefixTooLong {
                name,
                prefix_len,
                max,
            } => write!(
                f,
                "map {name:?}: a prefix of {prefix_len} bits is longer than its keys, which have \
                 {max}"
            ),
            MapError::InvalidFlags {
                name,
                operation,
                flags,
                allowed,
            } => {
                let both = ElementFlags::NO_EXIST | ElementFlags::EXIST;
                if flags.bits() & !allowed.bits() == 0 && flags.contains(both) {
                    return write!(
                        f,
                        "map {name:?}: {both} is a contradiction: an element that exists and does \
                         not"
                    );
                }
                write!(
                    f,
                    "map {name:?}: {operation} does not take the flags {flags}; "
                )?;
                match allowed.bits() {
                    0 => write!(f, "it takes none (0)"),
                    _ => write!(f, "it takes {allowed}"),
                }
            }
            MapError::BatchLengths { name, keys, values } => {
                write!(f, "map {name:?}: {keys} keys for {values} values")
            }
            MapError::CpuCount {
                name,
                given,
                expected,
            } => write!(
                f,
                "map {name:?} is per-CPU: it takes {expected} values, one for each possible CPU, \
                 not {given}"
            ),
            MapError::CpuOffline { name, cpu, online } => {
                write!(
                    f,
                    "map {name:?}: CPU {cpu} is offline or does not exist; online:"
                )?;
                online.iter().try_for_each(|cpu| write!(f, " {cpu}"))
            }
            MapError::NoSuchCpu {
                name,
                cpu,
                possible,
            } => write!(
                f,
                "map {name:?}: there is no CPU {cpu}; {possible} are possible, from 0 on"
            ),
            MapError::RingBufInUse { name } => write!(
                f,
                "ring buffer {name:?} is in use in this process already; it has one reader (a user \
                 ring buffer, one writer): share that, or drop it first"
            ),
            MapError::CreateError {
                name,
                parameters,
                error,
            } => write!(f, "cannot create map {name:?} ({parameters}): {error}"),
            MapError::SyscallError { name, error } => write!(f, "map {name:?}: {error}"),
            MapError::IoError { name, error } => write!(f, "map {name:?}: {error}"),
            MapError::IncompatiblePin {
                name,
                path,
                differences,
            } => {
                let path = path.display();
                write!(f, "map {name:?} cannot use what is pinned at {path}: ")?;
                list(f, differences)?;
                write!(
                    f,
                    "; unpin that (rm {path}) if nothing uses it, or give this map another name or \
                     pin directory"
                )
            }
            MapError::IncompatibleMap { name, differences } => {
                write!(f, "map {name:?} cannot be replaced by the one given: ")?;
                list(f, differences)
            }
            MapError::Unsuitable { name, reason } => write!(f, "map {name:?}: {reason}"),
            MapError::Pin(error) => write!(f, "{error}"),
            MapError::Unsupported(error) => write!(f, "{error}"),
            MapError::UnsupportedType { name, error } => {
                write!(f, "cannot create map {name:?}: {error}")
            }
        }
    }
}

impl std::error::Error for MapError {}

fn wrong_size(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    part: &str,
    (expected, declared): (usize, &Option<String>),
    (given, size): (&str, usize),
) -> fmt::Result {
    write!(f, "map {name:?} has {part} of {}", bytes(expected))?;
    in_parentheses(f, declared.as_deref())?;
    write!(f, "; {given} has {size}")
}

fn in_parentheses(f: &mut fmt::Formatter<'_>, text: Option<&str>) -> fmt::Result {
    match text {
        Some(text) => write!(f, " ({text})"),
        None => Ok(()),
    }
}

fn list(f: &mut fmt::Formatter<'_>, differences: &[MapDifference]) -> fmt::Result {
    differences
        .iter()
        .enumerate()
        .try_for_each(|(index, difference)| {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{difference}")
        })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> String {
        "M".to_owned()
    }

    #[test]
    fn messages_are_made_of_the_data() {
        let flags = |flags: u64, allowed| MapError::InvalidFlags {
            name: name(),
            operation: Operation::Lookup,
            flags: flags.into(),
            allowed,
        };
        assert_eq!(
            flags(0x41, ElementFlags::LOCK).to_string(),
            "map \"M\": a lookup does not take the flags BPF_NOEXIST | 0x40; it takes BPF_F_LOCK"
        );
        assert_eq!(
            flags(1, ElementFlags::ANY).to_string(),
            "map \"M\": a lookup does not take the flags BPF_NOEXIST; it takes none (0)"
        );
        assert_eq!(
            flags(3, ElementFlags::WRITE).to_string(),
            "map \"M\": BPF_NOEXIST | BPF_EXIST is a contradiction: an element that exists and \
             does not"
        );
        let differences = vec![
            MapDifference::KeySize {
                found: 4,
                declared: 8,
            },
            MapDifference::AccessFlags {
                found: 0,
                declared: 0x80,
            },
        ];
        assert_eq!(
            MapError::IncompatibleMap {
                name: name(),
                differences
            }
            .to_string(),
            "map \"M\" cannot be replaced by the one given: key size 4 there, 8 in the object; \
             access flags 0x0 there, 0x80 in the object"
        );
        let size = |declared| MapError::InvalidKeySize {
            name: name(),
            given: "u16",
            size: 2,
            expected: 1,
            declared,
        };
        assert_eq!(
            size(None).to_string(),
            "map \"M\" has keys of 1 byte; u16 has 2"
        );
        assert_eq!(
            size(Some("struct port".to_owned())).to_string(),
            "map \"M\" has keys of 1 byte (struct port); u16 has 2"
        );
    }
}
