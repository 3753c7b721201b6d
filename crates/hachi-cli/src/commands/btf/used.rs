//! What of the kernel's types an object asks for.

use std::collections::{BTreeMap, BTreeSet};

use hachi_btf::{Btf, Kind, Type, Types as _, essential_name};
use hachi_obj::{CoreRelo, Spec};

/// The members and enum values that an object's CO-RE relocations walk through, by the name of the
/// type that has them: without flavours, and with those of anonymous members under the type around
/// them.
pub fn parts(spec: &Spec) -> BTreeMap<String, BTreeSet<String>> {
    let mut parts = BTreeMap::new();
    if let Some(types) = spec.types() {
        // What makes no sense asks for nothing.
        for code in spec.programs.iter().filter_map(|p| p.code().ok()) {
            for relo in code.core_relos().flatten() {
                walk(&types, relo, &mut parts);
            }
        }
    }
    parts
}

/// Follows one access path as far as it makes sense.
fn walk(types: &Btf<'_>, relo: CoreRelo<&str>, parts: &mut BTreeMap<String, BTreeSet<String>>) {
    let mut indices = relo
        .access
        .split(':')
        .map_while(|index| index.parse::<usize>().ok());
    let mut owner = String::new();
    let mut at = relo.type_id;
    let mut enter = |types: &Btf<'_>, id: u32, owner: &mut String| {
        // Typedefs on the way can be what the kernel is asked for, too.
        let mut id = id;
        loop {
            let Ok(shape) = types.shape(id) else {
                return None;
            };
            if !shape.name.is_empty() && !matches!(shape.kind, Kind::Int | Kind::TypeTag) {
                *owner = essential_name(shape.name).to_owned();
                parts.entry(owner.clone()).or_default();
            }
            match shape.kind {
                kind if kind.is_modifier() => {
                    id = shape.type_id;
                }
                _ => return Some(id),
            }
        }
    };
    let Some(root) = enter(types, at, &mut owner) else {
        return;
    };
    let mut found = Vec::new();
    at = root;
    // For enums the first index is the value; for the rest, the element of an array of roots.
    let is_enum = types
        .shape(root)
        .is_ok_and(|shape| matches!(shape.kind, Kind::Enum | Kind::Enum64));
    if !is_enum {
        indices.next();
    }
    for index in indices {
        let (name, next) = match types.get(at) {
            Ok(Type::Struct(t) | Type::Union(t)) => match t.members.get(index) {
                Some(member) => (member.name, member.type_id),
                None => break,
            },
            Ok(Type::Enum(t)) => match t.variants.get(index) {
                Some(variant) => (variant.name, 0),
                None => break,
            },
            Ok(Type::Enum64(t)) => match t.variants.get(index) {
                Some(variant) => (variant.name, 0),
                None => break,
            },
            Ok(Type::Array(t)) => ("", t.type_id),
            _ => break,
        };
        if !name.is_empty() {
            found.push((owner.clone(), essential_name(name).to_owned()));
        }
        match enter(types, next, &mut owner) {
            Some(next) => at = next,
            None => break,
        }
    }
    for (owner, part) in found {
        parts.entry(owner).or_default().insert(part);
    }
}
