//! The little of its base that split BTF needs, so that it can move to another.
//!
//! A module's BTF refers to the kernel's by id, and so fits the one build it was made for.
//! Distilled, it brings along a small base of its own (section `.BTF.base`, Linux ≥ 6.11): of each
//! type it refers to the name, kind and size. On load it is moved onto the base that is there
//! ([`relocate`](super::relocate())).

use crate::{Btf, BtfBuilder, Composite, Enum, Error, Kind, Malformed, Type, Types as _, Unsuited};

/// Split BTF with a base that has only what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Distilled {
    /// Named types of the former base: numbers as they were, structs, unions and enums with their
    /// size but without members.
    pub base: BtfBuilder,
    /// The types on top of that: those that were there, then types that had to be taken over from
    /// the former base whole as they have no name.
    pub split: BtfBuilder,
}

/// Takes from the base of `split` what it refers to (libbpf's `btf__distill_base`).
///
/// # Errors
/// If `split` is not split, or malformed, or refers to something in its base that is not a type
/// (functions, variables).
pub fn distil(split: &Btf<'_>) -> Result<Distilled, Error> {
    let base = split.base().ok_or(Unsuited::NotSplit)?;
    let first = split.first_id();
    let needed = needed(split, base)?;

    // New ids of the base's types, 0 for those that are not needed.
    let mut map = vec![0; first as usize];
    let mut small = BtfBuilder::new();
    let mut taken = Vec::new();
    for id in (1..first).filter(|&id| needed[id as usize]) {
        match distilled(base.get(id)?) {
            Some(ty) => map[id as usize] = small.add(ty),
            None => taken.push(id),
        }
    }
    let own = split.own_len();
    let before = small.last_id();
    let mut out = BtfBuilder::on(before);
    for (at, &id) in taken.iter().enumerate() {
        map[id as usize] = before + own + 1 + at as u32;
    }
    for id in (first..first + own).chain(taken) {
        let mut ty = split.get(id)?.map_names(|name| (*name).to_owned());
        ty.for_each_ref(|target| {
            *target = match map.get(*target as usize) {
                Some(&new) => new,
                None => *target - first + before + 1,
            };
        });
        out.add(ty);
    }
    Ok(Distilled {
        base: small,
        split: out,
    })
}

/// Which types of the base are referred to; of types taken over whole, also what they refer to.
fn needed(split: &Btf<'_>, base: &Btf<'_>) -> Result<Vec<bool>, Error> {
    let mut needed = vec![false; split.first_id() as usize];
    let mut todo = Vec::new();
    for item in split.iter()? {
        let (id, ty) = item?;
        for target in ty.refs() {
            if target > split.last_id() {
                return Err(Malformed::Dangling {
                    id,
                    target,
                    last: split.last_id(),
                }
                .into());
            }
            todo.push(target);
        }
    }
    while let Some(id) = todo.pop() {
        let new = needed
            .get_mut(id as usize)
            .is_some_and(|needed| id != 0 && !std::mem::replace(needed, true));
        if !new {
            continue;
        }
        let ty = base.get(id)?;
        if matches!(
            ty.kind(),
            Kind::Func | Kind::Var | Kind::DataSec | Kind::DeclTag
        ) {
            return Err(Unsuited::NotDistillable {
                id,
                kind: ty.kind(),
            }
            .into());
        }
        let whole = distilled(ty.clone()).is_none();
        todo.extend(ty.refs().into_iter().filter(|_| whole));
    }
    Ok(needed)
}

/// What stands for a type in a distilled base; `None` if it has to be taken over whole.
fn distilled(ty: Type<&str>) -> Option<Type> {
    if ty.name().is_none_or(|name| name.is_empty()) {
        return None;
    }
    let composite = |t: Composite<&str>| Composite {
        name: t.name.to_owned(),
        size: t.size,
        members: Vec::new(),
    };
    let sized = |name: &str, size| {
        Type::Enum(Enum {
            name: name.to_owned(),
            size,
            signed: false,
            variants: Vec::new(),
        })
    };
    Some(match ty {
        Type::Int(_) | Type::Float(_) | Type::Fwd(_) => ty.map_names(|name| (*name).to_owned()),
        Type::Struct(t) => Type::Struct(composite(t)),
        Type::Union(t) => Type::Union(composite(t)),
        Type::Enum(t) => sized(t.name, t.size),
        Type::Enum64(t) => sized(t.name, t.size),
        _ => return None,
    })
}
