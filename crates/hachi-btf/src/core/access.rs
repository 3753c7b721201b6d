//! What a record asks, in terms of the object's own types (`bpf_core_parse_spec`).

use super::CoreError;
use super::error::RecordFault;
use super::node::{Node, size_of, text};
use crate::ext::{CoreRelo, CoreReloKind, Subject};
use crate::names::essential_bytes;
use crate::{Btf, Kind};

/// How long a path may be (`BPF_CORE_SPEC_MAX_LEN`).
pub(super) const MAX_LEN: usize = 64;

/// A path through types: the one a record states, or the one found for it in the kernel's types.
pub(super) struct Access<'a> {
    pub(super) btf: &'a Btf<'a>,
    pub(super) kind: CoreReloKind,
    /// The root type.
    pub(super) root: u32,
    /// The turning points: indices and named members. Members without a name are stepped through
    /// and leave no point. Empty for questions about a type; the variant for those about an enum.
    pub(super) points: Vec<Point<'a>>,
    pub(super) bit_offset: u32,
    /// Of a path in the kernel's types: all members stepped through, those without a name too, as
    /// struct or union and number.
    pub(super) members: Vec<(u32, u32)>,
}

/// A step of a path.
#[derive(Clone, Copy)]
pub(super) struct Point<'a> {
    /// Of a member: the struct or union it is in. Of an index: the type of the element.
    pub(super) type_id: u32,
    /// Which member or element.
    pub(super) index: u32,
    /// Name of the member; `None` for an index.
    pub(super) name: Option<&'a [u8]>,
}

/// Whether an array is a flexible one: without length, and the last member of its struct. `last`
/// is the path's last point so far.
pub(super) fn is_flexible(
    btf: &Btf<'_>,
    last: Option<&Point<'_>>,
    len: u32,
) -> Result<bool, CoreError> {
    match last {
        Some(point) if point.name.is_some() && len == 0 => {
            let parent = Node::at(btf, point.type_id)?;
            Ok(point.index as usize + 1 == parent.vlen())
        }
        _ => Ok(false),
    }
}

impl<'a> Access<'a> {
    /// A path with nothing in it yet.
    pub(super) fn empty(btf: &'a Btf<'a>, kind: CoreReloKind, root: u32) -> Access<'a> {
        Access {
            btf,
            kind,
            root,
            points: Vec::new(),
            bit_offset: 0,
            members: Vec::new(),
        }
    }

    pub(super) fn parse(btf: &'a Btf<'a>, relo: CoreRelo<&str>) -> Result<Access<'a>, CoreError> {
        let fail = |fault| CoreError::Record {
            kind: relo.kind,
            id: relo.type_id,
            access: relo.access.to_string(),
            fault,
        };
        let mut access = Access::empty(btf, relo.kind, relo.type_id);
        Node::at(btf, relo.type_id)?;
        let subject = relo.kind.subject();
        if matches!(subject, Subject::Type) {
            return match relo.access {
                "0" => Ok(access),
                _ => Err(fail(RecordFault::NotZero)),
            };
        }
        let raw = indices(relo.access).ok_or_else(|| fail(RecordFault::NoNumbers))?;
        let (&first, rest) = raw.split_first().ok_or_else(|| fail(RecordFault::Empty))?;
        if raw.len() > MAX_LEN {
            return Err(fail(RecordFault::TooLong));
        }
        let root = Node::peeled(btf, relo.type_id)?;
        if let Subject::Variant = subject {
            if !root.is_any_enum() || !rest.is_empty() || first as usize >= root.vlen() {
                return Err(fail(RecordFault::NoVariant));
            }
            access.points.push(Point {
                type_id: root.id,
                index: first,
                name: Some(btf.name_bytes(root.variant_name_off(first as usize))),
            });
            return Ok(access);
        }
        access.points.push(Point {
            type_id: root.id,
            index: first,
            name: None,
        });
        access.skip_elements(first, root.id)?;
        let mut id = root.id;
        for &index in rest {
            let node = Node::peeled(btf, id)?;
            if node.is_composite() {
                if index as usize >= node.vlen() {
                    return Err(fail(RecordFault::NoMember));
                }
                let field = node.field(index as usize);
                access.bit_offset = access.bit_offset.wrapping_add(field.bit_offset);
                let name = btf.name_bytes(field.name_off);
                if !name.is_empty() {
                    access.points.push(Point {
                        type_id: node.id,
                        index,
                        name: Some(name),
                    });
                }
                id = field.type_id;
            } else if node.is(Kind::Array) {
                let (element, len) = node.array();
                let flexible = is_flexible(btf, access.points.last(), len)?;
                if !flexible && index >= len {
                    return Err(fail(RecordFault::NoElement));
                }
                id = Node::peeled(btf, element)?.id;
                access.points.push(Point {
                    type_id: id,
                    index,
                    name: None,
                });
                access.skip_elements(index, id)?;
            } else {
                return Err(fail(RecordFault::NoMembers));
            }
        }
        Ok(access)
    }

    /// Steps over `count` values of a type.
    pub(super) fn skip_elements(&mut self, count: u32, id: u32) -> Result<(), CoreError> {
        let bits = count.wrapping_mul(size_of(self.btf, id)?).wrapping_mul(8);
        self.bit_offset = self.bit_offset.wrapping_add(bits);
        Ok(())
    }

    /// The thing asked for, as it would be written in C: `task_struct.comm[3]`, `struct sk_buff`,
    /// `enum bpf_map_type::BPF_MAP_TYPE_HASH`. Without flavours, since it names the kernel's type.
    pub(super) fn describe(&self) -> String {
        let Ok(root) = Node::at(self.btf, self.root) else {
            return format!("type [{}]", self.root);
        };
        let name = text(essential_bytes(root.name(self.btf)));
        let keyword = root.keyword();
        match self.kind.subject() {
            Subject::Type => format!("{keyword}{name}"),
            Subject::Variant => {
                let variant = self.points.first().and_then(|point| point.name);
                let variant = essential_bytes(variant.unwrap_or_default());
                format!("{keyword}{name}::{}", text(variant))
            }
            Subject::Field => self.path(&name, self.points.len()),
        }
    }

    /// The path up to its `count`th point, after the root's name.
    pub(super) fn path(&self, root: &str, count: usize) -> String {
        let mut out = root.to_owned();
        for (i, point) in self.points.iter().take(count).enumerate() {
            match point.name {
                Some(name) => {
                    out.push('.');
                    out.push_str(&text(name));
                }
                // The first index steps over whole roots, and is nearly always 0.
                None if i > 0 || point.index > 0 => out.push_str(&format!("[{}]", point.index)),
                None => {}
            }
        }
        out
    }
}

/// The numbers of an access string such as `0:1:2`.
fn indices(access: &str) -> Option<Vec<u32>> {
    access
        .split(':')
        .take(MAX_LEN + 1)
        .map(|number| number.parse().ok())
        .collect()
}
