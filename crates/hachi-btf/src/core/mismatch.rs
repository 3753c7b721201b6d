//! Where a candidate differs from what a record asks for.

use super::Reason;
use super::access::Access;
use super::node::{Node, text};
use crate::ext::Subject;
use crate::names::essential_bytes;
use crate::{Btf, Types as _};

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
            Mismatch::NoField(point) => match access.kind.subject() {
                Subject::Field => Reason::NoField(path(point + 1)),
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
    format!("`{}`", btf.type_name(id))
}
