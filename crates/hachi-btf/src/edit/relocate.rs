//! Distilled split BTF onto another base.

use crate::{Btf, BtfBuilder, Error, Kind, Malformed, Type, Types as _, Unsuited};

/// Moves split BTF that lies on a distilled base onto `base` (libbpf's `btf__relocate`, the
/// kernel's `btf_relocate` of Linux ≥ 6.11). Types of the distilled base are looked up by name and
/// kind; those whose values lie within types of the split part must also have the same size.
///
/// # Errors
/// If `split` is not split, or malformed, or a type of its base is missing in `base` or there
/// several times so that one cannot know which is meant.
pub fn relocate(split: &Btf<'_>, base: &Btf<'_>) -> Result<BtfBuilder, Error> {
    let distilled = split.base().ok_or(Unsuited::NotSplit)?;
    let contained = contained(split)?;
    let first = split.first_id();
    let mut map = vec![0];
    for id in 1..first {
        map.push(counterpart(distilled, id, contained[id as usize], base)?);
    }
    let mut out = BtfBuilder::split(base);
    let before = base.last_id();
    for item in split.iter()? {
        let (id, ty) = item?;
        let mut ty = ty.map_names(|name| (*name).to_owned());
        let mut missing = None;
        ty.for_each_ref(|target| {
            if *target > split.last_id() {
                missing = Some(*target);
            }
            *target = match map.get(*target as usize) {
                Some(&new) => new,
                None => (*target - first).saturating_add(before + 1),
            };
        });
        if let Some(target) = missing {
            return Err(Malformed::Dangling {
                id,
                target,
                last: split.last_id(),
            }
            .into());
        }
        out.add(ty);
    }
    Ok(out)
}

/// By id of the distilled base: whether values of the type lie within structs of the split part,
/// whose layout then depends on its size.
fn contained(split: &Btf<'_>) -> Result<Vec<bool>, Error> {
    let mut contained = vec![false; split.first_id() as usize];
    let mut seen = vec![false; split.last_id() as usize + 1];
    let mut todo = Vec::new();
    for item in split.iter()? {
        if let (_, Type::Struct(composite) | Type::Union(composite)) = item? {
            todo.extend(composite.members.iter().map(|member| member.type_id));
        }
    }
    while let Some(id) = todo.pop() {
        match seen.get_mut(id as usize) {
            Some(seen) if id != 0 && !*seen => *seen = true,
            _ => continue,
        }
        if let Some(contained) = contained.get_mut(id as usize) {
            *contained = true;
        }
        let shape = split.shape(id)?;
        if shape.kind.is_modifier() || shape.kind == Kind::Array {
            todo.push(shape.type_id);
        }
    }
    Ok(contained)
}

/// The type of `base` that is meant by a distilled one.
fn counterpart(
    distilled: &Btf<'_>,
    id: u32,
    contained: bool,
    base: &Btf<'_>,
) -> Result<u32, Error> {
    let wanted = distilled.get(id)?;
    let name = wanted.name().copied().unwrap_or_default();
    let size = |btf: &Btf<'_>, id| btf.shape(id).map_or(0, |shape| shape.size);
    let mut same_size = Vec::new();
    let mut others = Vec::new();
    for candidate in base.candidates(name) {
        let found = base.get(candidate)?;
        if found.name() != Some(&name) || !is_kind(&wanted, &found) {
            continue;
        }
        match wanted.kind() == Kind::Fwd || size(distilled, id) == size(base, candidate) {
            true => same_size.push(candidate),
            false => others.push(candidate),
        }
    }
    // An announcement in the base is as good as a definition, but only if there is none.
    if wanted.kind() == Kind::Fwd && same_size.len() > 1 {
        same_size.retain(|&id| base.shape(id).is_ok_and(|shape| shape.kind != Kind::Fwd));
    }
    match (&same_size[..], &others[..]) {
        ([only], _) => Ok(*only),
        ([], [only]) if !contained => Ok(*only),
        ([], []) => Err(Unsuited::NotInBase {
            name: distilled.type_name(id),
            size: None,
        }
        .into()),
        ([], _) => Err(Unsuited::NotInBase {
            name: distilled.type_name(id),
            size: Some(size(distilled, id)),
        }
        .into()),
        _ => Err(Unsuited::Ambiguous {
            name: distilled.type_name(id),
        }
        .into()),
    }
}

/// Whether a type can be what a distilled one stands for.
fn is_kind(distilled: &Type<&str>, found: &Type<&str>) -> bool {
    match (distilled, found) {
        (Type::Int(a), Type::Int(b)) => {
            (a.signed, a.char, a.bool, a.bits) == (b.signed, b.char, b.bool, b.bits)
        }
        (Type::Float(_), Type::Float(_))
        | (Type::Struct(_), Type::Struct(_))
        | (Type::Union(_), Type::Union(_))
        | (Type::Enum(_), Type::Enum(_) | Type::Enum64(_)) => true,
        (Type::Fwd(fwd), Type::Struct(_)) => !fwd.union,
        (Type::Fwd(fwd), Type::Union(_)) => fwd.union,
        (Type::Fwd(a), Type::Fwd(b)) => a.union == b.union,
        _ => false,
    }
}
