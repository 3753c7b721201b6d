//! What a type and a field of the kernel are in Rust.

use crate::view::too_deep;
use crate::{Btf, Enum, Enum64, Error, Int, Kind, Type, Types as _};

/// How deep structures without a name may be nested, and how long a chain of typedefs may be.
const DEPTH: u32 = 32;

/// How many fields a type may have, those of the structures without a name in it included. (The
/// largest of the kernel's have some hundreds; hostile BTF could make billions of a few bytes.)
const FIELDS: u32 = 1 << 16;

/// A type as `kernel_types!` declares it. Ids are those that [`declared`] gives.
#[derive(Debug)]
pub(super) enum Ty {
    /// As it is written: `u32`, `*const u8`.
    Scalar(String),
    /// An enum that has a name.
    Enum(u32),
    Pointer(u32),
    Named(u32),
    Anonymous {
        union: bool,
        fields: Vec<Field>,
    },
    Array(Box<Ty>, u32),
}

#[derive(Debug)]
pub(super) struct Field {
    pub name: String,
    /// `None` for what has no counterpart.
    pub ty: Option<Ty>,
    pub bits: Option<u8>,
    /// As in C.
    pub declaration: String,
    /// From the start of the type that has a name.
    pub bit_offset: u64,
}

/// Follows typedefs and qualifiers; also gives the last typedef on the way.
fn strip(btf: &Btf<'_>, id: u32) -> Result<(u32, Option<u32>), Error> {
    let (mut at, mut typedef) = (id, None);
    for _ in 0..DEPTH {
        if at == 0 {
            return Ok((0, typedef));
        }
        let shape = btf.shape(at)?;
        match shape.kind {
            Kind::Typedef => typedef = Some(at),
            kind if kind.is_modifier() => {}
            _ => return Ok((at, typedef)),
        }
        at = shape.type_id;
    }
    Err(too_deep(btf, id))
}

/// The type that a name declares: a structure, union or enum with a name, or a typedef that gives a
/// structure or union its only one. `None` for anything else.
pub(super) fn declared(btf: &Btf<'_>, id: u32) -> Result<Option<u32>, Error> {
    let (target, typedef) = strip(btf, id)?;
    if target == 0 {
        return Ok(None);
    }
    let shape = btf.shape(target)?;
    Ok(match shape.kind {
        Kind::Struct | Kind::Union if shape.name.is_empty() => typedef,
        Kind::Struct | Kind::Union => Some(target),
        Kind::Enum | Kind::Enum64 if !shape.name.is_empty() => Some(target),
        Kind::Fwd => {
            let kind = if shape.nelems == 1 {
                Kind::Union
            } else {
                Kind::Struct
            };
            Some(btf.find(shape.name, kind).unwrap_or(target))
        }
        _ => None,
    })
}

/// The word before a declared type's name.
pub(super) fn keyword(btf: &Btf<'_>, id: u32) -> Result<&'static str, Error> {
    let shape = btf.shape(id)?;
    Ok(match shape.kind {
        Kind::Union => "union",
        Kind::Fwd if shape.nelems == 1 => "union",
        Kind::Typedef => "typedef",
        Kind::Enum | Kind::Enum64 => "enum",
        _ => "struct",
    })
}

/// Whether a declared type has a field that matches.
pub(super) fn has_field(btf: &Btf<'_>, id: u32, pattern: &str) -> Result<bool, Error> {
    let fields = fields(btf, id)?;
    Ok(fields
        .iter()
        .any(|f| super::glob::matches(pattern, &f.name)))
}

/// The fields of a declared type, with those of members without a name among them.
pub(super) fn fields(btf: &Btf<'_>, id: u32) -> Result<Vec<Field>, Error> {
    let mut fields = Vec::new();
    let mut budget = FIELDS;
    add_fields(btf, strip(btf, id)?.0, 0, DEPTH, &mut budget, &mut fields)?;
    Ok(fields)
}

fn add_fields(
    btf: &Btf<'_>,
    id: u32,
    start: u64,
    depth: u32,
    budget: &mut u32,
    fields: &mut Vec<Field>,
) -> Result<(), Error> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(too_deep(btf, id));
    };
    if id == 0 {
        return Ok(());
    }
    for member in btf.members(id)? {
        *budget = budget.checked_sub(1).ok_or(Error::TooMany { id })?;
        let bit_offset = start + u64::from(member.bit_offset);
        let (target, _) = strip(btf, member.type_id)?;
        if member.name.is_empty() {
            // Without a name it is a structure or union whose members are this one's; or padding.
            if target != 0 && is_composite(btf.shape(target)?.kind) {
                add_fields(btf, target, bit_offset, depth, budget, fields)?;
            }
            continue;
        }
        let bits = match member.bit_size {
            0 => old_bits(btf, target)?,
            bits => Some(bits),
        };
        fields.push(Field {
            name: member.name.to_owned(),
            ty: ty(btf, member.type_id, bit_offset, depth, budget)?,
            bits,
            declaration: btf.declaration(member.type_id, member.name),
            bit_offset,
        });
    }
    Ok(())
}

fn is_composite(kind: Kind) -> bool {
    matches!(kind, Kind::Struct | Kind::Union)
}

/// The width of a bit field as it was written before BTF had a place for it: in its type.
fn old_bits(btf: &Btf<'_>, id: u32) -> Result<Option<u8>, Error> {
    if id == 0 {
        return Ok(None);
    }
    Ok(match btf.get(id)? {
        Type::Int(int) if u32::from(int.bits) < int.size.saturating_mul(8) && !int.bool => {
            Some(int.bits)
        }
        _ => None,
    })
}

/// A type at a place in the type that has a name.
fn ty(
    btf: &Btf<'_>,
    id: u32,
    place: u64,
    depth: u32,
    budget: &mut u32,
) -> Result<Option<Ty>, Error> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(too_deep(btf, id));
    };
    let (target, _) = strip(btf, id)?;
    if target == 0 {
        return Ok(None);
    }
    Ok(match btf.get(target)? {
        Type::Int(int) => integer(&int).map(|name| Ty::Scalar(name.to_owned())),
        Type::Ptr(ptr) => Some(pointer(btf, ptr.type_id)?),
        Type::Array(array) => ty(btf, array.type_id, place, depth, budget)?
            .map(|element| Ty::Array(Box::new(element), array.nelems)),
        Type::Enum(t) if t.name.is_empty() => enum_of(t.size, t.signed),
        Type::Enum64(t) if t.name.is_empty() => enum_of(t.size, t.signed),
        Type::Enum(_) | Type::Enum64(_) => Some(Ty::Enum(target)),
        Type::Struct(_) | Type::Union(_) => match declared(btf, id)? {
            Some(id) => Some(Ty::Named(id)),
            None => {
                let mut fields = Vec::new();
                add_fields(btf, target, place, depth, budget, &mut fields)?;
                let union = btf.shape(target)?.kind == Kind::Union;
                Some(Ty::Anonymous { union, fields })
            }
        },
        _ => None,
    })
}

/// An enum without a name, by its integer.
fn enum_of(size: u32, signed: bool) -> Option<Ty> {
    integer_of(size, signed).map(|name| Ty::Scalar(format!("enum {name}")))
}

/// The Rust type of an integer.
pub(super) fn integer(int: &Int<&str>) -> Option<&'static str> {
    match int {
        Int { bool: true, .. } => Some("bool"),
        // Text is bytes.
        Int { name: "char", .. } => Some("u8"),
        int => integer_of(int.size, int.signed),
    }
}

fn integer_of(size: u32, signed: bool) -> Option<&'static str> {
    Some(match (size, signed) {
        (1, false) => "u8",
        (1, true) => "i8",
        (2, false) => "u16",
        (2, true) => "i16",
        (4, false) => "u32",
        (4, true) => "i32",
        (8, false) => "u64",
        (8, true) => "i64",
        (16, false) => "u128",
        (16, true) => "i128",
        _ => return None,
    })
}

/// The type of a pointer, by what it points to.
fn pointer(btf: &Btf<'_>, to: u32) -> Result<Ty, Error> {
    let (target, _) = strip(btf, to)?;
    let address = |of: &str| Ty::Scalar(format!("*const {of}"));
    if target == 0 {
        return Ok(address("c_void"));
    }
    Ok(match btf.get(target)? {
        Type::Struct(_) | Type::Union(_) | Type::Fwd(_) => match declared(btf, to)? {
            Some(id) => Ty::Pointer(id),
            None => address("c_void"),
        },
        Type::Int(int) => address(integer(&int).unwrap_or("c_void")),
        Type::Ptr(_) => address("*const c_void"),
        _ => address("c_void"),
    })
}

/// What a parameter or result is: its type, and how many registers it takes. `None` for what a
/// program cannot get.
pub(super) fn argument(btf: &Btf<'_>, id: u32) -> Result<Option<(Ty, u32)>, Error> {
    let (target, _) = strip(btf, id)?;
    if target == 0 {
        return Ok(None);
    }
    let shape = btf.shape(target)?;
    Ok(match shape.kind {
        // Small structures come in registers, in pieces.
        Kind::Struct | Kind::Union if (1..=16).contains(&shape.size) => {
            Some((Ty::Scalar("u64".to_owned()), shape.size.div_ceil(8)))
        }
        Kind::Int | Kind::Ptr | Kind::Enum | Kind::Enum64 => {
            let wide = shape.kind == Kind::Int && shape.size > 8;
            ty(btf, id, 0, DEPTH, &mut { FIELDS })?
                .filter(|_| !wide)
                .map(|ty| match ty {
                    // Only the type of a field must be known as an enum's.
                    Ty::Scalar(name) => Ty::Scalar(name.trim_start_matches("enum ").to_owned()),
                    ty => ty,
                })
                .map(|ty| (ty, 1))
        }
        _ => None,
    })
}

/// The enumerators of an enum: name, integer type, value.
pub(super) fn enumerators<'a>(
    btf: &Btf<'a>,
    id: u32,
) -> Result<Vec<(&'a str, &'static str, String)>, Error> {
    Ok(match btf.get(id)? {
        Type::Enum(Enum {
            size,
            signed,
            variants,
            ..
        }) => {
            let ty = integer_of(size, signed).unwrap_or("u32");
            variants
                .iter()
                .map(|v| match signed {
                    true => (v.name, ty, v.value.to_string()),
                    false => (v.name, ty, (v.value as u32).to_string()),
                })
                .collect()
        }
        Type::Enum64(Enum64 {
            size,
            signed,
            variants,
            ..
        }) => {
            let ty = integer_of(size, signed).unwrap_or("u64");
            variants
                .iter()
                .map(|v| match signed {
                    true => (v.name, ty, (v.value as i64).to_string()),
                    false => (v.name, ty, v.value.to_string()),
                })
                .collect()
        }
        _ => Vec::new(),
    })
}

/// The integer that an enum is.
pub(super) fn enum_integer(btf: &Btf<'_>, id: u32) -> Result<&'static str, Error> {
    let ty = match btf.get(id)? {
        Type::Enum(t) => integer_of(t.size, t.signed),
        Type::Enum64(t) => integer_of(t.size, t.signed),
        _ => None,
    };
    Ok(ty.unwrap_or("u32"))
}
