//! Whether a type of the kernel has all that a type of the object has (`bpf_core_types_match`).

use super::CoreError;
use super::node::{Budget, DEPTH, Node};
use crate::names::essential_bytes;
use crate::{Btf, Kind};

/// How deeply functions and structs may be nested.
pub(super) const MAX_LEVEL: u32 = 32;

/// Typedefs and qualifiers do not matter. Kinds must be the same, and names up to flavours;
/// integers must agree in size and sign, arrays in length, functions in parameters and result. A
/// struct must have the members of ours, with types that match; behind a pointer only its name
/// counts, and it may be just announced. An enum must have the size and the names of ours, whatever
/// their values.
pub(super) fn types_match(
    local: &Btf<'_>,
    local_id: u32,
    target: &Btf<'_>,
    target_id: u32,
    budget: &mut Budget,
) -> Result<bool, CoreError> {
    Matcher {
        local,
        target,
        budget,
    }
    .types(local_id, target_id, false, MAX_LEVEL)
}

struct Matcher<'m> {
    local: &'m Btf<'m>,
    target: &'m Btf<'m>,
    budget: &'m mut Budget,
}

impl Matcher<'_> {
    fn types(
        &mut self,
        mut local_id: u32,
        mut target_id: u32,
        mut behind_pointer: bool,
        level: u32,
    ) -> Result<bool, CoreError> {
        if level == 0 {
            return Err(CoreError::TooComplex);
        }
        for _ in 0..DEPTH {
            self.budget.step()?;
            let ours = Node::peeled(self.local, local_id)?;
            let theirs = Node::peeled(self.target, target_id)?;
            if !self.names(ours.name_off(), theirs.name_off()) {
                return Ok(false);
            }
            let same = ours.kind() == theirs.kind();
            match ours.kind() {
                None => return Ok(same),
                Some(Kind::Fwd) => {
                    let union = ours.kind_flag();
                    return Ok(match theirs.kind() {
                        Some(Kind::Fwd) => union == theirs.kind_flag(),
                        Some(Kind::Struct) => behind_pointer && !union,
                        Some(Kind::Union) => behind_pointer && union,
                        _ => false,
                    });
                }
                Some(Kind::Enum | Kind::Enum64) => {
                    return Ok(theirs.is_any_enum() && self.enums(&ours, &theirs)?);
                }
                Some(Kind::Struct | Kind::Union) if behind_pointer => {
                    let announced =
                        theirs.is(Kind::Fwd) && theirs.kind_flag() == ours.is(Kind::Union);
                    return Ok(same || announced);
                }
                Some(Kind::Struct | Kind::Union) => {
                    return Ok(same && self.composites(&ours, &theirs, level)?);
                }
                Some(Kind::Int) => {
                    return Ok(same
                        && ours.size() == theirs.size()
                        && ours.int_encoding() & 1 == theirs.int_encoding() & 1);
                }
                Some(Kind::Ptr) if same => {
                    behind_pointer = true;
                    (local_id, target_id) = (ours.type_id(), theirs.type_id());
                }
                Some(Kind::Array) if same => {
                    let ((our_element, our_len), (their_element, their_len)) =
                        (ours.array(), theirs.array());
                    if our_len != their_len {
                        return Ok(false);
                    }
                    (local_id, target_id) = (our_element, their_element);
                }
                Some(Kind::FuncProto) if same => {
                    if ours.vlen() != theirs.vlen() {
                        return Ok(false);
                    }
                    for i in 0..ours.vlen() {
                        if !self.types(ours.param(i), theirs.param(i), behind_pointer, level - 1)? {
                            return Ok(false);
                        }
                    }
                    (local_id, target_id) = (ours.type_id(), theirs.type_id());
                }
                _ => return Ok(false),
            }
        }
        Err(CoreError::TooComplex)
    }

    fn composites(
        &mut self,
        ours: &Node<'_>,
        theirs: &Node<'_>,
        level: u32,
    ) -> Result<bool, CoreError> {
        if ours.vlen() > theirs.vlen() {
            return Ok(false);
        }
        'ours: for i in 0..ours.vlen() {
            let our_field = ours.field(i);
            for j in 0..theirs.vlen() {
                self.budget.step()?;
                let their_field = theirs.field(j);
                if self.names(our_field.name_off, their_field.name_off)
                    && self.types(our_field.type_id, their_field.type_id, false, level - 1)?
                {
                    continue 'ours;
                }
            }
            return Ok(false);
        }
        Ok(true)
    }

    fn enums(&mut self, ours: &Node<'_>, theirs: &Node<'_>) -> Result<bool, CoreError> {
        if ours.size() != theirs.size() || ours.vlen() > theirs.vlen() {
            return Ok(false);
        }
        'ours: for i in 0..ours.vlen() {
            for j in 0..theirs.vlen() {
                self.budget.step()?;
                if self.names(ours.variant_name_off(i), theirs.variant_name_off(j)) {
                    continue 'ours;
                }
            }
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether two names are the same up to flavours.
    fn names(&self, ours: u32, theirs: u32) -> bool {
        essential_bytes(self.local.name_bytes(ours))
            == essential_bytes(self.target.name_bytes(theirs))
    }
}
