//! The counterpart of a record's path in a candidate type (`bpf_core_spec_match`).

use super::CoreError;
use super::access::{Access, MAX_LEN, Point, is_flexible};
use super::kinds::{fields_agree, types_agree};
use super::matches::types_match;
use super::mismatch::Mismatch;
use super::node::{Budget, Node};
use crate::ext::{CoreReloKind, Subject};
use crate::names::essential_bytes;
use crate::{Btf, Kind};

/// Walks `access` in type `id` of `target`; or says where that ends.
pub(super) fn walk<'t>(
    access: &Access<'_>,
    target: &'t Btf<'t>,
    id: u32,
    budget: &mut Budget,
) -> Result<Result<Access<'t>, Mismatch>, CoreError> {
    let mut found = Access::empty(target, access.kind, id);
    let mismatch = match access.kind.subject() {
        Subject::Type => {
            let agree = match access.kind {
                CoreReloKind::TypeMatches => types_match,
                _ => types_agree,
            };
            match agree(access.btf, access.root, target, id, budget)? {
                true => None,
                false => Some(Mismatch::OtherShape),
            }
        }
        Subject::Variant => variant(access, &mut found, budget)?,
        Subject::Field => fields(access, &mut found, budget)?,
    };
    Ok(match mismatch {
        None => Ok(found),
        Some(mismatch) => Err(mismatch),
    })
}

/// Finds the variant of the same name.
fn variant(
    access: &Access<'_>,
    found: &mut Access<'_>,
    budget: &mut Budget,
) -> Result<Option<Mismatch>, CoreError> {
    let wanted = access.points.first().and_then(|point| point.name);
    let wanted = essential_bytes(wanted.unwrap_or_default());
    let node = Node::peeled(found.btf, found.root)?;
    if !node.is_any_enum() {
        return Ok(Some(Mismatch::OtherShape));
    }
    for i in 0..node.vlen() {
        budget.step()?;
        let name = found.btf.name_bytes(node.variant_name_off(i));
        if essential_bytes(name) == wanted {
            found.points.push(Point {
                type_id: node.id,
                index: i as u32,
                name: Some(name),
            });
            return Ok(None);
        }
    }
    Ok(Some(Mismatch::NoField(0)))
}

fn fields(
    access: &Access<'_>,
    found: &mut Access<'_>,
    budget: &mut Budget,
) -> Result<Option<Mismatch>, CoreError> {
    let btf = found.btf;
    let mut id = found.root;
    // Steps in the kernel's types, members without names included.
    let mut steps = 0;
    for (i, point) in access.points.iter().enumerate() {
        let node = Node::peeled(btf, id)?;
        id = node.id;
        if let Some(name) = point.name {
            let parent = Node::at(access.btf, point.type_id)?;
            let local_type = parent.field(point.index as usize).type_id;
            let mut search = Search {
                name,
                budget,
                steps: &mut steps,
            };
            let Some(hit) = search.member(btf, &node)? else {
                return Ok(Some(Mismatch::NoField(i)));
            };
            if !fields_agree(access.btf, local_type, btf, hit.type_id)? {
                return Ok(Some(Mismatch::OtherKind {
                    point: i,
                    local: local_type,
                    target: hit.type_id,
                }));
            }
            found.bit_offset = found.bit_offset.wrapping_add(hit.bit_offset);
            found.points.push(hit.point);
            found.members.extend(hit.members.iter().rev());
            id = hit.type_id;
            continue;
        }
        // The first index is that of the root itself, as if it lay in an array.
        if i > 0 {
            if !node.is(Kind::Array) {
                return Ok(Some(Mismatch::NoField(i)));
            }
            let (element, len) = node.array();
            if point.index >= len && !is_flexible(btf, found.points.last(), len)? {
                return Ok(Some(Mismatch::ShortArray { point: i, len }));
            }
            id = Node::peeled(btf, element)?.id;
        }
        if steps == MAX_LEN {
            return Err(CoreError::TooComplex);
        }
        steps += 1;
        found.points.push(Point {
            type_id: id,
            index: point.index,
            name: None,
        });
        found.skip_elements(point.index, id)?;
    }
    Ok(None)
}

/// A member by name, in a struct or in what it holds without a name.
struct Search<'s> {
    name: &'s [u8],
    budget: &'s mut Budget,
    steps: &'s mut usize,
}

struct Hit<'t> {
    point: Point<'t>,
    type_id: u32,
    /// From the start of the struct that was searched.
    bit_offset: u32,
    /// The members on the way, the innermost first.
    members: Vec<(u32, u32)>,
}

impl Search<'_> {
    fn member<'t>(
        &mut self,
        btf: &'t Btf<'t>,
        node: &Node<'t>,
    ) -> Result<Option<Hit<'t>>, CoreError> {
        if !node.is_composite() {
            return Ok(None);
        }
        if *self.steps == MAX_LEN {
            return Err(CoreError::TooComplex);
        }
        *self.steps += 1;
        for i in 0..node.vlen() {
            self.budget.step()?;
            let field = node.field(i);
            if btf.is_named(field.name_off, self.name) {
                return Ok(Some(Hit {
                    point: Point {
                        type_id: node.id,
                        index: i as u32,
                        name: Some(btf.name_bytes(field.name_off)),
                    },
                    type_id: field.type_id,
                    bit_offset: field.bit_offset,
                    members: vec![(node.id, i as u32)],
                }));
            }
            if btf.is_named(field.name_off, b"") {
                let inner = Node::peeled(btf, field.type_id)?;
                if let Some(mut hit) = self.member(btf, &inner)? {
                    hit.bit_offset = hit.bit_offset.wrapping_add(field.bit_offset);
                    hit.members.push((node.id, i as u32));
                    return Ok(Some(hit));
                }
            }
        }
        *self.steps -= 1;
        Ok(None)
    }
}
