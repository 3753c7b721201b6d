//! What became of types from one kernel to another.

use std::collections::BTreeMap;

use crate::view::too_deep;
use crate::{Btf, Error, Kind, Member, Type, Types as _};

/// What became of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is of another kind: `struct`, then `union`.
    Kind(&'static str, &'static str),
    /// Its size changed, in bytes.
    Size(u32, u32),
    /// It became another type, as C writes it: of typedefs, variables and functions.
    Type(String, String),
    /// A member is new: its path and declaration.
    MemberAdded(String, String),
    /// A member is gone: its path and declaration.
    MemberRemoved(String, String),
    /// A member moved: its path, and where it was and is, in bits.
    MemberMoved(String, u32, u32),
    /// A member has another type, as C writes it.
    MemberType(String, String, String),
    /// A member has another size, in bits.
    MemberSize(String, u64, u64),
    /// An enum value is new.
    ValueAdded(String, i128),
    /// An enum value is gone.
    ValueRemoved(String, i128),
    /// An enum value is another number.
    ValueChanged(String, i128, i128),
}

/// How deep anonymous members may nest.
const DEPTH: u32 = 24;
/// How many members a type may have in all, anonymous ones opened.
const MEMBERS: usize = 1 << 16;

/// What changed from a type of `old` to one of `new`; either may be missing. Members are compared
/// by name, those of anonymous members as if they were the type's own, as programs see them. Types
/// of members are compared as C writes them.
///
/// # Errors
/// If a type is malformed.
pub fn diff(
    old: (&Btf<'_>, Option<u32>),
    new: (&Btf<'_>, Option<u32>),
) -> Result<Vec<Change>, Error> {
    let (old_id, new_id, a, b) = match (old.1, new.1) {
        (Some(a), Some(b)) => (a, b, old.0.get(a)?, new.0.get(b)?),
        (Some(_), None) => return Ok(vec![Change::Removed]),
        (None, Some(_)) => return Ok(vec![Change::Added]),
        (None, None) => return Ok(Vec::new()),
    };
    let (old, new) = (old.0, new.0);
    let mut changes = Vec::new();
    match (&a, &b) {
        (Type::Struct(x), Type::Struct(y)) | (Type::Union(x), Type::Union(y)) => {
            if x.size != y.size {
                changes.push(Change::Size(x.size, y.size));
            }
            members(
                &Places::of(old, old_id, &x.members)?,
                &Places::of(new, new_id, &y.members)?,
                &mut changes,
            );
        }
        (Type::Enum(_) | Type::Enum64(_), Type::Enum(_) | Type::Enum64(_)) => {
            let sizes = (size(&a), size(&b));
            if sizes.0 != sizes.1 {
                changes.push(Change::Size(sizes.0, sizes.1));
            }
            values(&values_of(&a), &values_of(&b), &mut changes);
        }
        (Type::Int(_) | Type::Float(_), Type::Int(_) | Type::Float(_)) => {
            let sizes = (size(&a), size(&b));
            if sizes.0 != sizes.1 {
                changes.push(Change::Size(sizes.0, sizes.1));
            }
        }
        (Type::Typedef(x), Type::Typedef(y)) => {
            // Of a nameless struct the members count.
            let (x, y) = (x.type_id, y.type_id);
            let nameless = |btf: &Btf<'_>, id| {
                btf.shape(id).is_ok_and(|s| {
                    s.name.is_empty()
                        && matches!(
                            s.kind,
                            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64
                        )
                })
            };
            if nameless(old, x) && nameless(new, y) {
                return diff((old, Some(x)), (new, Some(y)));
            }
            types(old.type_name(x), new.type_name(y), &mut changes);
        }
        (Type::Func(x), Type::Func(y)) => types(
            old.declaration(x.type_id, x.name),
            new.declaration(y.type_id, y.name),
            &mut changes,
        ),
        (Type::Var(x), Type::Var(y)) => types(
            old.declaration(x.type_id, x.name),
            new.declaration(y.type_id, y.name),
            &mut changes,
        ),
        _ if a.kind() != b.kind() => {
            changes.push(Change::Kind(a.kind().name(), b.kind().name()));
        }
        _ => {}
    }
    Ok(changes)
}

fn types(old: String, new: String, changes: &mut Vec<Change>) {
    if old != new {
        changes.push(Change::Type(old, new));
    }
}

fn size(ty: &Type<&str>) -> u32 {
    match ty {
        Type::Int(t) => t.size,
        Type::Float(t) => t.size,
        Type::Enum(t) => t.size,
        Type::Enum64(t) => t.size,
        _ => 0,
    }
}

/// A member as programs see it.
struct Place {
    bit_offset: u32,
    bits: u64,
    declaration: String,
}

/// Members by name, those of anonymous ones included, and their order.
#[derive(Default)]
struct Places {
    by_name: BTreeMap<String, Place>,
    order: Vec<String>,
}

impl Places {
    /// Those of the structure or union `id`.
    fn of(btf: &Btf<'_>, id: u32, members: &[Member<&str>]) -> Result<Places, Error> {
        let mut places = Places::default();
        places.add(btf, id, members, 0, DEPTH)?;
        Ok(places)
    }

    fn add(
        &mut self,
        btf: &Btf<'_>,
        id: u32,
        members: &[Member<&str>],
        base: u32,
        depth: u32,
    ) -> Result<(), Error> {
        let depth = depth.checked_sub(1).ok_or_else(|| too_deep(btf, id))?;
        for member in members {
            let bit_offset = base.saturating_add(member.bit_offset);
            if member.name.is_empty() {
                let inner = btf.members(btf.resolve(member.type_id)?)?;
                self.add(btf, id, &inner, bit_offset, depth)?;
                continue;
            }
            if self.order.len() == MEMBERS {
                return Err(Error::TooMany { id });
            }
            let mut declaration = btf.declaration(member.type_id, member.name);
            if member.bit_size != 0 {
                declaration += &format!(":{}", member.bit_size);
            }
            let bits = match member.bit_size {
                0 => 8 * u64::from(btf.size_of(member.type_id)?),
                bits => bits.into(),
            };
            self.order.push(member.name.to_owned());
            self.by_name.insert(
                member.name.to_owned(),
                Place {
                    bit_offset,
                    bits,
                    declaration,
                },
            );
        }
        Ok(())
    }
}

fn members(old: &Places, new: &Places, changes: &mut Vec<Change>) {
    for name in &old.order {
        let was = &old.by_name[name];
        let Some(is) = new.by_name.get(name) else {
            changes.push(Change::MemberRemoved(name.clone(), was.declaration.clone()));
            continue;
        };
        if was.bit_offset != is.bit_offset {
            changes.push(Change::MemberMoved(
                name.clone(),
                was.bit_offset,
                is.bit_offset,
            ));
        }
        if was.declaration != is.declaration {
            changes.push(Change::MemberType(
                name.clone(),
                was.declaration.clone(),
                is.declaration.clone(),
            ));
        }
        if was.bits != is.bits {
            changes.push(Change::MemberSize(name.clone(), was.bits, is.bits));
        }
    }
    for name in new
        .order
        .iter()
        .filter(|name| !old.by_name.contains_key(*name))
    {
        let declaration = new.by_name[name].declaration.clone();
        changes.push(Change::MemberAdded(name.clone(), declaration));
    }
}

fn values_of(ty: &Type<&str>) -> Vec<(String, i128)> {
    match ty {
        Type::Enum(e) => e
            .variants
            .iter()
            .map(|v| match e.signed {
                true => (v.name.to_owned(), v.value.into()),
                false => (v.name.to_owned(), i128::from(v.value as u32)),
            })
            .collect(),
        Type::Enum64(e) => e
            .variants
            .iter()
            .map(|v| match e.signed {
                true => (v.name.to_owned(), i128::from(v.value as i64)),
                false => (v.name.to_owned(), v.value.into()),
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn values(old: &[(String, i128)], new: &[(String, i128)], changes: &mut Vec<Change>) {
    let was: BTreeMap<_, _> = old.iter().map(|(name, value)| (name, *value)).collect();
    let is: BTreeMap<_, _> = new.iter().map(|(name, value)| (name, *value)).collect();
    for (name, value) in old {
        match is.get(name) {
            None => changes.push(Change::ValueRemoved(name.clone(), *value)),
            Some(now) if now != value => {
                changes.push(Change::ValueChanged(name.clone(), *value, *now));
            }
            Some(_) => {}
        }
    }
    for (name, value) in new.iter().filter(|(name, _)| !was.contains_key(name)) {
        changes.push(Change::ValueAdded(name.clone(), *value));
    }
}
