//! What can be wrong, and what can be missing.

use std::fmt;

use crate::Error;
use crate::ext::{CoreReloKind, Subject};

/// Why a CO-RE record cannot be resolved at all. (That the kernel lacks what it asks for is not
/// an error, but [`Missing`].)
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoreError {
    /// The record contradicts the object's own types.
    Record {
        /// What it asks.
        kind: CoreReloKind,
        /// Its root type.
        id: u32,
        /// Its access string.
        access: String,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// A type without a name cannot be looked for.
    Anonymous {
        /// What it asks.
        kind: CoreReloKind,
        /// Its root type.
        id: u32,
    },
    /// The kernel has several types of that name, and they disagree.
    Ambiguous {
        /// What was asked for.
        what: String,
        /// What was asked about it.
        kind: CoreReloKind,
        /// The first answer.
        first: u64,
        /// The other.
        second: u64,
    },
    /// The question has no answer for such a field.
    Unanswerable {
        /// What was asked for.
        what: String,
        /// What was asked about it.
        kind: CoreReloKind,
        /// Why it has none.
        reason: NoAnswer,
    },
    /// Types that contain each other in too many ways to look through.
    TooComplex,
    /// Malformed types.
    Btf(Error),
}

/// What is wrong with the access string of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordFault {
    /// It is not "0", though the record is about a whole type.
    NotZero,
    /// It is no list of numbers.
    NoNumbers,
    /// It is empty.
    Empty,
    /// It has more than 64 numbers.
    TooLong,
    /// The enum has no variant of that number.
    NoVariant,
    /// A struct or union has no member of that number.
    NoMember,
    /// An array has no element of that number.
    NoElement,
    /// It goes on where the type has no members.
    NoMembers,
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordFault::NotZero => "for a question about a type it must be \"0\"",
            RecordFault::NoNumbers => "it is no list of numbers",
            RecordFault::Empty => "it is empty",
            RecordFault::TooLong => "it is too long",
            RecordFault::NoVariant => "the type has no such variant",
            RecordFault::NoMember => "the type has no such member",
            RecordFault::NoElement => "the array has no such element",
            RecordFault::NoMembers => "it leads into a type without members",
        })
    }
}

/// Why a question has no answer for such a field, on any kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoAnswer {
    /// It names no field.
    NoPath,
    /// It is about an element of an array, and not about offset, size or existence.
    Element,
    /// It is about a bit-field that no single load covers.
    BitField,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoAnswer::NoPath => "it has no path",
            NoAnswer::Element => {
                "of an element of an array only offset, size and existence are known"
            }
            NoAnswer::BitField => "no load of up to 64 bits covers this bit-field",
        })
    }
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CoreError::Record {
                kind,
                id,
                access,
                fault,
            } => write!(
                f,
                "the CO-RE record ({}) of type [{id}] has the access string {access:?}: {fault}; \
                 the object's .BTF and .BTF.ext do not belong together, build it again",
                kind.name()
            ),
            CoreError::Anonymous { kind, id } => write!(
                f,
                "the CO-RE record ({}) is about type [{id}], which has no name to look for in the \
                 kernel; give the type a name",
                kind.name()
            ),
            CoreError::Ambiguous {
                what,
                kind,
                first,
                second,
            } => write!(
                f,
                "`{what}` ({}) is ambiguous: the kernel has several types of that name, which \
                 answer {first} and {second}; ask for a field that only one of them has first, or \
                 give the type a flavour with more of its members",
                kind.name()
            ),
            CoreError::Unanswerable { what, kind, reason } => {
                write!(f, "`{what}` ({}): {reason}", kind.name())
            }
            CoreError::TooComplex => write!(
                f,
                "the kernel's types are nested too deeply or in too many ways to be searched"
            ),
            CoreError::Btf(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for CoreError {}

impl From<Error> for CoreError {
    fn from(error: Error) -> Self {
        CoreError::Btf(error)
    }
}

/// Something the kernel does not have. `Display` says so: "field `task_struct.foo` does not exist
/// on this kernel".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// What was asked for: `task_struct.foo`, `struct foo`, `enum foo::BAR`.
    pub what: String,
    /// What was asked about it.
    pub kind: CoreReloKind,
    /// Why there is no answer.
    pub reason: Reason,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No type of that name and kind.
    NoType,
    /// A type, but not with that field or variant: the part of the path that does not exist.
    NoField(String),
    /// The field is of another kind: the path to it, and what it is in the object and there.
    OtherKind {
        /// The path to the field.
        path: String,
        /// What it is in the object's types.
        local: String,
        /// What it is in the kernel's.
        target: String,
    },
    /// The array is shorter: the path to it, and its length there.
    ShortArray {
        /// The path to the array.
        path: String,
        /// Its length in the kernel's types.
        len: u32,
    },
    /// The type is there, but of another shape.
    OtherShape,
    /// The field has another size there, and is no unsigned integer or pointer.
    OtherSize {
        /// Bytes in the object's types.
        local: u32,
        /// Bytes in the kernel's.
        target: u32,
    },
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = &self.what;
        let root = what.split(['.', '[', ':']).next().unwrap_or(what);
        let noun = match self.kind.subject() {
            Subject::Field => "field",
            Subject::Type => "type",
            Subject::Variant => "enumerator",
        };
        match &self.reason {
            Reason::NoType if root == what => {
                write!(f, "{noun} `{what}` does not exist on this kernel")
            }
            Reason::NoType => write!(
                f,
                "{noun} `{what}` does not exist on this kernel, which has no type `{root}`"
            ),
            Reason::NoField(path) if path == what => {
                write!(f, "{noun} `{what}` does not exist on this kernel")
            }
            Reason::NoField(path) => write!(
                f,
                "{noun} `{what}` does not exist on this kernel, which has no `{path}`"
            ),
            Reason::OtherKind {
                path,
                local,
                target,
            } => write!(
                f,
                "{noun} `{what}` is not what it was on this kernel: `{path}` is {target} there, \
                 not {local}"
            ),
            Reason::ShortArray { path, len } => write!(
                f,
                "{noun} `{what}` does not exist on this kernel, where `{path}` has {len} elements"
            ),
            Reason::OtherShape => write!(f, "{noun} `{what}` has another shape on this kernel"),
            Reason::OtherSize { local, target } => write!(
                f,
                "{noun} `{what}` has {target} bytes on this kernel and {local} in the program, and \
                 is signed or no integer, so it cannot be accessed with the other size; ask for \
                 its size and read it by bpf_probe_read_kernel, or use a flavour of the type"
            ),
        }
    }
}
