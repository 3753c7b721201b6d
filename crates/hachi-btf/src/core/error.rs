//! What can be wrong, and what can be missing.

use std::fmt;

use super::access::Access;
use super::node::Node;
use crate::ext::CoreReloKind;
use crate::names::essential_bytes;
use crate::{Btf, Error, Kind};

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
        why: String,
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
        why: &'static str,
    },
    /// Types that contain each other in too many ways to look through.
    TooComplex,
    /// Malformed types.
    Btf(Error),
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CoreError::Record {
                kind,
                id,
                access,
                why,
            } => write!(
                f,
                "the CO-RE record ({}) of type [{id}] has the access string {access:?}: {why}; the \
                 object's .BTF and .BTF.ext do not belong together, build it again",
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
            CoreError::Unanswerable { what, kind, why } => {
                write!(f, "`{what}` ({}): {why}", kind.name())
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
        let noun = match super::access::subject(self.kind) {
            super::access::Subject::Field => "field",
            super::access::Subject::Type => "type",
            super::access::Subject::Variant => "enumerator",
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

/// Why a candidate does not match.
pub(super) enum Mismatch {
    /// The point of this number has no counterpart.
    NoField(usize),
    /// The point's type is of another kind: the type in the kernel.
    OtherKind {
        point: usize,
        local: u32,
        target: u32,
    },
    /// The array is shorter.
    ShortArray { point: usize, len: u32 },
    /// The whole type differs.
    OtherShape,
}

impl Mismatch {
    pub(super) fn reason(&self, access: &Access<'_>, target: &Btf<'_>) -> Reason {
        let root = Node::at(access.btf, access.root)
            .map(|root| text(essential_bytes(root.name(access.btf))))
            .unwrap_or_default();
        let path = |count| access.path(&root, count);
        match *self {
            Mismatch::OtherShape => Reason::OtherShape,
            Mismatch::NoField(point) => match super::access::subject(access.kind) {
                super::access::Subject::Field => Reason::NoField(path(point + 1)),
                _ => Reason::NoField(access.describe()),
            },
            Mismatch::OtherKind {
                point,
                local,
                target: there,
            } => Reason::OtherKind {
                path: path(point + 1),
                local: described(access.btf, local),
                target: described(target, there),
            },
            Mismatch::ShortArray { point, len } => Reason::ShortArray {
                path: path(point),
                len,
            },
        }
    }
}

fn described(btf: &Btf<'_>, id: u32) -> String {
    use crate::Types as _;
    format!("`{}`", btf.type_name(id))
}

/// The keyword that C wants before the name of such a type.
pub(super) fn keyword(node: &Node<'_>) -> &'static str {
    match node.kind() {
        Some(Kind::Struct) => "struct ",
        Some(Kind::Union) => "union ",
        Some(Kind::Enum | Kind::Enum64) => "enum ",
        Some(Kind::Fwd) if node.kind_flag() => "union ",
        Some(Kind::Fwd) => "struct ",
        _ => "",
    }
}

/// A name for messages, whatever its bytes are.
pub(super) fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
