//! From two paths to the two answers (`bpf_core_calc_relo`).

use super::access::Access;
use super::node::{DEPTH, Node, size_of};
use super::{CoreError, NoAnswer};
use crate::ext::{CoreReloKind, Subject};
use crate::view::too_deep;
use crate::{Btf, Endian, Error, Kind};

/// The answer to a record, and how it may be written into an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Value {
    /// The answer for the object's own types, which the compiler put into the instruction.
    pub local: u64,
    /// The answer for the kernel's types.
    pub target: u64,
    /// Whether the instruction must hold `local`. It need not for offsets of bit-fields, which
    /// compilers choose as they like, nor for type ids, which linkers change.
    pub validate: bool,
    /// Bytes an instruction accesses that loads or stores the field, in the object's types; 0 if
    /// the record is not about an offset that can be loaded from.
    pub local_size: u32,
    /// The same in the kernel's types.
    pub target_size: u32,
    /// If the sizes differ: whether an instruction may simply access the other size. It may for
    /// unsigned integers and pointers, which are extended by zeros.
    pub resizable: bool,
}

/// The answer for one side.
struct Side {
    value: u64,
    /// What an instruction that accesses the field accesses: bytes, and a type that says whether
    /// another number of bytes would do. 0 if nothing is accessed.
    size: u32,
    type_id: u32,
    validate: bool,
}

impl Side {
    fn plain(value: u64) -> Side {
        Side {
            value,
            size: 0,
            type_id: 0,
            validate: true,
        }
    }
}

/// A value that is not about memory.
pub(super) fn plain(local: u64, target: u64, validate: bool) -> Value {
    Value {
        local,
        target,
        validate,
        local_size: 0,
        target_size: 0,
        resizable: false,
    }
}

/// The answers for the object's path and its counterpart in the kernel's types.
pub(super) fn found(local: &Access<'_>, target: &Access<'_>) -> Result<Value, CoreError> {
    let mut ours = side(local)?;
    let mut theirs = side(target)?;
    if has_high_bit(local, &ours)? {
        for side in [&mut ours, &mut theirs] {
            side.value &= u64::from(u32::MAX);
        }
    }
    let mut value = plain(ours.value, theirs.value, ours.validate);
    (value.local_size, value.target_size) = (ours.size, theirs.size);
    if ours.size != theirs.size {
        let ours = Node::at(local.btf, ours.type_id)?;
        let theirs = Node::at(target.btf, theirs.type_id)?;
        // A 32-bit pointer is read as an unsigned number, and all unsigned numbers are extended by
        // zeros. Anything else would be read wrongly.
        let both = |kind| ours.is(kind) && theirs.is(kind);
        let unsigned = |node: &Node<'_>| node.int_encoding() != 1;
        value.resizable =
            both(Kind::Ptr) || both(Kind::Int) && unsigned(&ours) && unsigned(&theirs);
    }
    Ok(value)
}

/// Whether the object asks for a value of an unsigned 32-bit enum whose highest bit is set. The
/// compiler extended it by zeros, so what takes its place is extended by zeros as well.
fn has_high_bit(local: &Access<'_>, ours: &Side) -> Result<bool, CoreError> {
    let Some(point) = local.points.first() else {
        return Ok(false);
    };
    let node = Node::at(local.btf, point.type_id)?;
    Ok(local.kind == CoreReloKind::EnumValValue
        && node.is(Kind::Enum)
        && !node.kind_flag()
        && ours.value >> 31 != 0)
}

/// The answers when no candidate matches: 0 for questions that have such an answer.
pub(super) fn absent(local: &Access<'_>) -> Result<Option<Value>, CoreError> {
    use CoreReloKind::*;
    let ours = side(local)?;
    Ok(match local.kind {
        FieldExists | EnumValExists | TypeIdTarget | TypeExists | TypeSize | TypeMatches => {
            Some(plain(ours.value, 0, ours.validate))
        }
        _ => None,
    })
}

fn side(access: &Access<'_>) -> Result<Side, CoreError> {
    match access.kind.subject() {
        Subject::Field => field(access),
        Subject::Type => whole_type(access),
        Subject::Variant => variant(access),
    }
}

fn whole_type(access: &Access<'_>) -> Result<Side, CoreError> {
    Ok(match access.kind {
        CoreReloKind::TypeSize => Side::plain(size_of(access.btf, access.root)?.into()),
        // Linkers renumber types without looking at instructions.
        CoreReloKind::TypeIdTarget => Side {
            validate: false,
            ..Side::plain(access.root.into())
        },
        _ => Side::plain(1),
    })
}

fn variant(access: &Access<'_>) -> Result<Side, CoreError> {
    let value = match (access.kind, access.points.first()) {
        (CoreReloKind::EnumValValue, Some(point)) => {
            Node::at(access.btf, point.type_id)?.variant_value(point.index as usize)
        }
        _ => 1,
    };
    Ok(Side::plain(value))
}

fn field(access: &Access<'_>) -> Result<Side, CoreError> {
    use CoreReloKind::*;
    let unanswerable = |reason| {
        Err(CoreError::Unanswerable {
            what: access.describe(),
            kind: access.kind,
            reason,
        })
    };
    if access.kind == FieldExists {
        return Ok(Side::plain(1));
    }
    let btf = access.btf;
    let Some(last) = access.points.last() else {
        return unanswerable(NoAnswer::NoPath);
    };
    if last.name.is_none() {
        return match access.kind {
            FieldByteOffset => Ok(Side {
                value: (access.bit_offset / 8).into(),
                size: element_size(btf, last.type_id)?,
                type_id: last.type_id,
                validate: true,
            }),
            FieldByteSize => Ok(Side::plain(size_of(btf, last.type_id)?.into())),
            _ => unanswerable(NoAnswer::Element),
        };
    }
    let member = Node::at(btf, last.type_id)?.field(last.index as usize);
    let member_type = Node::peeled(btf, member.type_id)?;
    let bit_field = member.bit_size > 0;
    let (byte_offset, byte_size, bit_size) = if bit_field {
        match unit(access.bit_offset, member.bit_size, member_type.size()) {
            Some((offset, size)) => (offset, size, u32::from(member.bit_size)),
            None => {
                return unanswerable(NoAnswer::BitField);
            }
        }
    } else {
        let size = size_of(btf, member_type.id)?;
        (access.bit_offset / 8, size, size.wrapping_mul(8))
    };
    let mut side = match access.kind {
        FieldByteOffset => Side::plain(byte_offset.into()),
        FieldByteSize => Side::plain(byte_size.into()),
        FieldSigned => {
            let signed = member_type.is_any_enum() && member_type.kind_flag()
                || member_type.is(Kind::Int) && member_type.int_encoding() & 1 != 0;
            return Ok(Side::plain(signed.into()));
        }
        FieldRshiftU64 => return Ok(Side::plain(64u32.wrapping_sub(bit_size).into())),
        _ => {
            let start = access.bit_offset.wrapping_sub(byte_offset.wrapping_mul(8));
            let shift = match btf.endian() {
                Endian::Little => 64u32.wrapping_sub(start.wrapping_add(bit_size)),
                Endian::Big => 8u32
                    .wrapping_sub(byte_size)
                    .wrapping_mul(8)
                    .wrapping_add(start),
            };
            Side::plain(shift.into())
        }
    };
    // Which unit a bit-field is loaded by is the compiler's choice.
    side.validate = !bit_field;
    if access.kind == FieldByteOffset && !bit_field {
        side.size = element_size(btf, member_type.id)?;
        side.type_id = member_type.id;
    }
    Ok(side)
}

/// Offset and size in bytes of the smallest aligned load that covers a bit-field, starting from the
/// size of its type.
fn unit(bit_offset: u32, bit_size: u8, type_size: u32) -> Option<(u32, u32)> {
    let mut size = type_size;
    loop {
        let offset = (bit_offset / 8).checked_div(size)? * size;
        if u64::from(bit_offset) + u64::from(bit_size)
            <= u64::from(offset) * 8 + u64::from(size) * 8
        {
            return Some((offset, size));
        }
        if size >= 8 {
            return None;
        }
        size *= 2;
    }
}

/// Bytes of one element, of an array of whatever dimensions; else of the type itself.
fn element_size(btf: &Btf<'_>, id: u32) -> Result<u32, Error> {
    let mut node = Node::peeled(btf, id)?;
    for _ in 0..DEPTH {
        if !node.is(Kind::Array) {
            return size_of(btf, node.id);
        }
        node = Node::peeled(btf, node.array().0)?;
    }
    Err(too_deep(btf, id))
}
