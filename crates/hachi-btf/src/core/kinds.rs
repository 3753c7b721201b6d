//! Whether two types are of kinds that can stand for each other.

use super::CoreError;
use super::matches::MAX_LEVEL;
use super::node::{Budget, DEPTH, Node};
use crate::names::essential_bytes;
use crate::view::too_deep;
use crate::{Btf, Kind};

/// For the last and every other field of a path (`bpf_core_fields_are_compat`): structs and unions
/// stand for each other, sizes and signs of integers and lengths of arrays do not matter, what a
/// pointer points to neither; enums must have the same name if both have one.
pub(super) fn fields_agree(
    local: &Btf<'_>,
    mut local_id: u32,
    target: &Btf<'_>,
    mut target_id: u32,
) -> Result<bool, CoreError> {
    for _ in 0..DEPTH {
        let ours = Node::peeled(local, local_id)?;
        let theirs = Node::peeled(target, target_id)?;
        if ours.is_composite() && theirs.is_composite() {
            return Ok(true);
        }
        if !ours.same_kind(&theirs) {
            return Ok(false);
        }
        match ours.kind() {
            Some(Kind::Ptr | Kind::Float) => return Ok(true),
            Some(Kind::Fwd | Kind::Enum | Kind::Enum64) => {
                let our_name = essential_bytes(ours.name(local));
                let their_name = essential_bytes(theirs.name(target));
                return Ok(our_name.is_empty() || their_name.is_empty() || our_name == their_name);
            }
            Some(Kind::Int) => return Ok(ours.int_offset() == 0 && theirs.int_offset() == 0),
            Some(Kind::Array) => (local_id, target_id) = (ours.array().0, theirs.array().0),
            _ => return Ok(false),
        }
    }
    Err(CoreError::TooComplex)
}

/// For questions about a whole type that are not about its members (`bpf_core_types_are_compat`):
/// the kind must agree, behind pointers and arrays and in the parameters of functions too.
pub(super) fn types_agree(
    local: &Btf<'_>,
    local_id: u32,
    target: &Btf<'_>,
    target_id: u32,
    budget: &mut Budget,
) -> Result<bool, CoreError> {
    // Before typedefs are resolved: a typedef stands for a typedef only.
    if !Node::at(local, local_id)?.same_kind(&Node::at(target, target_id)?) {
        return Ok(false);
    }
    agree(local, local_id, target, target_id, MAX_LEVEL, budget)
}

/// Whether what an object declares a function or variable of the kernel to be fits what it is
/// there: as libbpf compares the types of `.ksyms`. Typedefs and qualifiers do not matter, nor do
/// the names of types and the sizes of integers; kinds must agree, behind pointers and arrays and
/// in the parameters of functions too.
///
/// # Errors
/// If either type is malformed, or nested beyond all bounds.
pub fn declarations_agree(
    local: &Btf<'_>,
    local_id: u32,
    target: &Btf<'_>,
    target_id: u32,
) -> Result<bool, CoreError> {
    let mut budget = Budget::default();
    agree(local, local_id, target, target_id, MAX_LEVEL, &mut budget)
}

fn agree(
    local: &Btf<'_>,
    mut local_id: u32,
    target: &Btf<'_>,
    mut target_id: u32,
    level: u32,
    budget: &mut Budget,
) -> Result<bool, CoreError> {
    for _ in 0..DEPTH {
        budget.step()?;
        let ours = Node::peeled(local, local_id)?;
        let theirs = Node::peeled(target, target_id)?;
        if !ours.same_kind(&theirs) {
            return Ok(false);
        }
        match ours.kind() {
            None | Some(Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd) => {
                return Ok(true);
            }
            Some(Kind::Int) => return Ok(ours.int_offset() == 0 && theirs.int_offset() == 0),
            Some(Kind::Ptr) => (local_id, target_id) = (ours.type_id(), theirs.type_id()),
            Some(Kind::Array) => (local_id, target_id) = (ours.array().0, theirs.array().0),
            Some(Kind::FuncProto) => {
                if ours.vlen() != theirs.vlen() {
                    return Ok(false);
                }
                for i in 0..ours.vlen() {
                    let level = level.checked_sub(1).ok_or(CoreError::TooComplex)?;
                    if !agree(local, ours.param(i), target, theirs.param(i), level, budget)? {
                        return Ok(false);
                    }
                }
                (local_id, target_id) = (ours.type_id(), theirs.type_id());
            }
            _ => return Ok(false),
        }
    }
    Err(too_deep(target, target_id).into())
}
