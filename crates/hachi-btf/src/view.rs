//! What the reader and the builder have in common.

use std::collections::HashMap;

use crate::{Error, Kind, Malformed, Member, Param, Type};

/// The fixed part of a type, of whatever kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shape<'s> {
    /// Its kind.
    pub kind: Kind,
    /// Its name (of a tag: the text); empty if it has none.
    pub name: &'s str,
    /// Size in bytes of kinds that state one: INT, STRUCT, UNION, ENUM, ENUM64, DATASEC, FLOAT.
    pub size: u32,
    /// The type it refers to: pointee, element, qualified type, FUNC_PROTO of a FUNC, return type
    /// of a FUNC_PROTO. 0 is void, or nothing.
    pub type_id: u32,
    /// Elements of an array; members, variants or parameters; 1 for the FWD of a union.
    pub nelems: u32,
}

/// How long a chain of references may be; the kernel allows as many (`MAX_RESOLVE_DEPTH`).
const DEPTH: u32 = 32;

/// Read access to a set of BTF types, zero-copy ([`crate::Btf`]) or owned
/// ([`crate::BtfBuilder`]). Ids count from 1; 0 is void.
pub trait Types {
    /// The highest id; 0 if there are no types.
    fn last_id(&self) -> u32;

    /// The fixed part of a type.
    ///
    /// # Errors
    /// If there is no such type (0 is void, which is none).
    fn shape(&self, id: u32) -> Result<Shape<'_>, Error>;

    /// A type as a whole.
    ///
    /// # Errors
    /// If there is no such type (0 is void, which is none), or it is malformed.
    fn decode(&self, id: u32) -> Result<Type<&str>, Error>;

    /// The parameters of a FUNC_PROTO; empty for other kinds.
    ///
    /// # Errors
    /// If there is no such type.
    fn params(&self, id: u32) -> Result<Vec<Param<&str>>, Error> {
        match self.decode(id)? {
            Type::FuncProto(proto) => Ok(proto.params),
            _ => Ok(Vec::new()),
        }
    }

    /// The members of a STRUCT or UNION; empty for other kinds.
    ///
    /// # Errors
    /// If there is no such type.
    fn members(&self, id: u32) -> Result<Vec<Member<&str>>, Error> {
        match self.decode(id)? {
            Type::Struct(composite) | Type::Union(composite) => Ok(composite.members),
            _ => Ok(Vec::new()),
        }
    }

    /// The first type of this kind and name.
    fn find(&self, name: &str, kind: Kind) -> Option<u32> {
        (1..=self.last_id()).find(|&id| {
            self.shape(id)
                .is_ok_and(|shape| shape.kind == kind && shape.name == name)
        })
    }

    /// The type behind typedefs, qualifiers and type tags; 0 if that is void.
    ///
    /// # Errors
    /// If an id leads nowhere, or the chain is circular or too long.
    fn resolve(&self, id: u32) -> Result<u32, Error> {
        let mut at = id;
        for _ in 0..DEPTH {
            if at == 0 {
                return Ok(0);
            }
            let shape = self.shape(at)?;
            match shape.kind {
                kind if kind.is_modifier() => {
                    at = shape.type_id;
                }
                _ => return Ok(at),
            }
        }
        Err(too_deep(self, id))
    }

    /// Bytes of a pointer on the machine these types are of, which is 8 on BPF itself.
    fn pointer_size(&self) -> u32 {
        8
    }

    /// Bytes a value of this type takes.
    ///
    /// # Errors
    /// If it has no size: void, a function, a struct only announced; or if it is malformed.
    fn size_of(&self, id: u32) -> Result<u32, Error> {
        let mut at = id;
        let mut count: u32 = 1;
        for _ in 0..DEPTH {
            if at == 0 {
                return Err(Malformed::NoSize {
                    id: 0,
                    name: String::new(),
                }
                .into());
            }
            let shape = self.shape(at)?;
            let size = match shape.kind {
                kind if kind.has_size() => shape.size,
                Kind::Ptr => self.pointer_size(),
                Kind::Array => {
                    count = count
                        .checked_mul(shape.nelems)
                        .ok_or_else(|| Error::from(Malformed::TooLarge { id }))?;
                    at = shape.type_id;
                    continue;
                }
                kind if kind.is_modifier() || matches!(kind, Kind::Var | Kind::DeclTag) => {
                    at = shape.type_id;
                    continue;
                }
                _ => {
                    return Err(Malformed::NoSize {
                        id,
                        name: shape.name.to_owned(),
                    }
                    .into());
                }
            };
            return count
                .checked_mul(size)
                .ok_or_else(|| Error::from(Malformed::TooLarge { id }));
        }
        Err(too_deep(self, id))
    }

    /// Alignment of a value of this type in bytes, as the C ABI of BPF and most machines has it.
    ///
    /// # Errors
    /// As [`Types::size_of`].
    fn align_of(&self, id: u32) -> Result<u32, Error> {
        align_of(self, id, DEPTH, &mut { ALIGN_BUDGET })
    }

    /// The type's name as C writes it, on one line: `struct iphdr *`, `const char[16]`,
    /// `int (*)(void *, unsigned int)`. Never fails: what cannot be read prints as `?`.
    fn type_name(&self, id: u32) -> String {
        declaration(self, id, "")
    }

    /// The declaration of `name` with this type as C writes it: `__u32 ports[4]`.
    fn declaration(&self, id: u32, name: &str) -> String {
        declaration(self, id, name)
    }
}

/// How many members one question may look at: nesting could make it endless.
const ALIGN_BUDGET: u32 = 1 << 12;

fn align_of<T: Types + ?Sized>(
    types: &T,
    id: u32,
    depth: u32,
    budget: &mut u32,
) -> Result<u32, Error> {
    let depth = depth.checked_sub(1).ok_or_else(|| too_deep(types, id))?;
    *budget = budget.checked_sub(1).ok_or(Error::TooMany { id })?;
    let shape = types.shape(id)?;
    match shape.kind {
        // An __int128 is aligned to its 16 bytes; of other sizes there are none beyond 8.
        Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Float => Ok(shape.size.clamp(1, 16)),
        Kind::Ptr => Ok(types.pointer_size()),
        kind if kind.is_modifier() || matches!(kind, Kind::Array | Kind::Var) => {
            align_of(types, shape.type_id, depth, budget)
        }
        Kind::Struct | Kind::Union => {
            let mut max = 1;
            for member in types.members(id)? {
                let align = align_of(types, member.type_id, depth, budget)?;
                // A member off its natural place means a packed struct.
                if member.bit_size == 0 && !member.bit_offset.is_multiple_of(8 * align) {
                    return Ok(1);
                }
                max = max.max(align);
            }
            // As does a size that would leave the next array element misaligned.
            Ok(if shape.size.is_multiple_of(max) {
                max
            } else {
                1
            })
        }
        _ => types.size_of(id).map(|_| 1),
    }
}

/// How many types one printed name may mention, so that hostile input cannot blow it up.
const BUDGET: u32 = 64;

fn declaration<T: Types + ?Sized>(types: &T, id: u32, name: &str) -> String {
    let mut declarator = Declarator {
        types,
        style: &mut Plain,
        budget: BUDGET,
    };
    declarator.declare(id, name.to_owned())
}

/// How declarations are spelled.
pub(crate) trait Style {
    /// What declarations begin with: `struct iphdr`, `unsigned int`, `__u32`.
    fn base(&mut self, id: u32, shape: &Shape<'_>) -> String;

    /// The name of a parameter.
    fn param(&mut self, name: &str) -> String {
        name.to_owned()
    }

    /// How a type tag is written among the qualifiers.
    fn tag(&mut self, id: u32, value: &str) -> Option<String>;
}

/// As people want to read them: on one line, tags left out.
struct Plain;

impl Style for Plain {
    fn base(&mut self, _: u32, shape: &Shape<'_>) -> String {
        let name = match (shape.name, keyword(shape)) {
            ("", Some(_)) => "{…}",
            ("", None) => "?",
            (name, _) => name,
        };
        match keyword(shape) {
            Some(keyword) => format!("{keyword} {name}"),
            None => name.to_owned(),
        }
    }

    fn tag(&mut self, _: u32, _: &str) -> Option<String> {
        None
    }
}

/// `struct`, `union` or `enum` for kinds whose names need it.
pub(crate) fn keyword(shape: &Shape<'_>) -> Option<&'static str> {
    Some(match shape.kind {
        Kind::Struct => "struct",
        Kind::Union => "union",
        Kind::Enum | Kind::Enum64 => "enum",
        Kind::Fwd if shape.nelems == 1 => "union",
        Kind::Fwd => "struct",
        _ => return None,
    })
}

/// Writes declarations.
pub(crate) struct Declarator<'t, T: ?Sized, S: ?Sized> {
    pub(crate) types: &'t T,
    pub(crate) style: &'t mut S,
    /// How many types it may still mention.
    pub(crate) budget: u32,
}

impl<T: Types + ?Sized, S: Style + ?Sized> Declarator<'_, T, S> {
    /// Wraps the declarator `inner` in the type `id`, from the inside out as C does.
    pub(crate) fn declare(&mut self, id: u32, inner: String) -> String {
        let types = self.types;
        let mut at = id;
        let mut inner = inner;
        let mut qualifiers = String::new();
        loop {
            let shape = match self.budget.checked_sub(1) {
                None => return join(&qualifiers, "…", &inner),
                Some(_) if at == 0 => return join(&qualifiers, "void", &inner),
                Some(left) => {
                    self.budget = left;
                    match types.shape(at) {
                        Ok(shape) => shape,
                        Err(_) => return join(&qualifiers, "?", &inner),
                    }
                }
            };
            match shape.kind {
                Kind::Const => qualify(&mut qualifiers, "const "),
                Kind::Volatile => qualify(&mut qualifiers, "volatile "),
                Kind::Restrict => qualify(&mut qualifiers, "restrict "),
                Kind::TypeTag => {
                    if let Some(tag) = self.style.tag(at, shape.name) {
                        qualifiers.push_str(&tag);
                        qualifiers.push(' ');
                    }
                }
                Kind::DeclTag | Kind::Var | Kind::Func => {}
                Kind::Ptr => {
                    // Qualifiers met so far belong to the pointer itself: `char *const p`.
                    inner = match (qualifiers.is_empty(), inner.is_empty()) {
                        (true, _) => format!("*{inner}"),
                        (false, true) => format!("*{}", qualifiers.trim_end()),
                        (false, false) => format!("*{qualifiers}{inner}"),
                    };
                    qualifiers.clear();
                    if self.is_suffixed(shape.type_id) {
                        inner = format!("({inner})");
                    }
                }
                Kind::Array => inner = format!("{inner}[{}]", shape.nelems),
                Kind::FuncProto => {
                    let params = self.params(at);
                    inner = format!("{inner}({params})");
                }
                Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Fwd
                | Kind::Int
                | Kind::Float
                | Kind::Typedef
                | Kind::DataSec => {
                    let base = self.style.base(at, &shape);
                    return join(&qualifiers, &base, &inner);
                }
            }
            at = shape.type_id;
        }
    }

    /// Whether the type is written after the name, as arrays and functions are, so that a pointer
    /// to it needs parentheses.
    fn is_suffixed(&self, id: u32) -> bool {
        let mut at = id;
        for _ in 0..DEPTH {
            match self.types.shape(at) {
                Ok(shape) => match shape.kind {
                    Kind::Array | Kind::FuncProto => return true,
                    Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => {
                        at = shape.type_id;
                    }
                    _ => return false,
                },
                Err(_) => return false,
            }
        }
        false
    }

    fn params(&mut self, id: u32) -> String {
        let Ok(params) = self.types.params(id) else {
            return "?".into();
        };
        if params.is_empty() {
            return "void".into();
        }
        let mut out = Vec::new();
        for param in params {
            if self.budget == 0 {
                out.push("…".to_owned());
                break;
            }
            out.push(match (param.type_id, param.name) {
                (0, "") => "...".to_owned(),
                (type_id, name) => {
                    let name = self.style.param(name);
                    self.declare(type_id, name)
                }
            });
        }
        out.join(", ")
    }
}

/// Adds a qualifier once: a const array of const elements is the same as either.
fn qualify(qualifiers: &mut String, qualifier: &str) {
    if !qualifiers.contains(qualifier) {
        qualifiers.push_str(qualifier);
    }
}

fn join(qualifiers: &str, base: &str, inner: &str) -> String {
    // `int[4]` and `int (*)(void)`, `int *`, `int x`.
    let gap = if inner.is_empty() || inner.starts_with('[') {
        ""
    } else {
        " "
    };
    format!("{qualifiers}{base}{gap}{inner}")
}

/// The error for a type that was followed as far as types are followed: it contains itself, which
/// no compiler writes, or it is only deep.
#[cold]
pub(crate) fn too_deep<T: Types + ?Sized>(types: &T, id: u32) -> Error {
    circular(types, id).unwrap_or(Error::TooDeep { id })
}

/// The same for a type of which too many parts were counted.
#[cold]
#[cfg(feature = "print")]
pub(crate) fn too_many<T: Types + ?Sized>(types: &T, id: u32) -> Error {
    circular(types, id).unwrap_or(Error::TooMany { id })
}

fn circular<T: Types + ?Sized>(types: &T, id: u32) -> Option<Error> {
    contains_itself(types, id).then(|| Malformed::RefersToItself { id }.into())
}

/// A type on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    id: u32,
    /// Structures may point to themselves, so that what they hold does not matter there.
    behind_pointer: bool,
}

/// Whether a type is a part of itself, or of something that is a part of it.
fn contains_itself<T: Types + ?Sized>(types: &T, id: u32) -> bool {
    let start = Place {
        id,
        behind_pointer: false,
    };
    // Whether a place is done with; those that are not are on the way from the start to here.
    let mut seen = HashMap::from([(start, false)]);
    let mut way = vec![(start, parts(types, start))];
    while let Some((place, left)) = way.last_mut() {
        let Some(part) = left.pop() else {
            seen.insert(*place, true);
            way.pop();
            continue;
        };
        match seen.get(&part) {
            Some(true) => {}
            Some(false) => return true,
            None => {
                seen.insert(part, false);
                way.push((part, parts(types, part)));
            }
        }
    }
    false
}

/// What a type is made of or mentions. What cannot be read has no parts: who reads it next says so.
fn parts<T: Types + ?Sized>(types: &T, place: Place) -> Vec<Place> {
    let Ok(shape) = types.shape(place.id) else {
        return Vec::new();
    };
    let mut behind_pointer = place.behind_pointer;
    let ids = match shape.kind {
        Kind::Ptr => {
            behind_pointer = true;
            vec![shape.type_id]
        }
        kind if kind.is_modifier() => vec![shape.type_id],
        Kind::Array | Kind::Var | Kind::Func | Kind::DeclTag => vec![shape.type_id],
        Kind::FuncProto => {
            let params = types.params(place.id).unwrap_or_default();
            let params = params.iter().map(|param| param.type_id);
            params.chain([shape.type_id]).collect()
        }
        Kind::Struct | Kind::Union if !behind_pointer => {
            let members = types.members(place.id).unwrap_or_default();
            members.iter().map(|member| member.type_id).collect()
        }
        _ => Vec::new(),
    };
    let named = ids.into_iter().filter(|&id| id != 0);
    named.map(|id| Place { id, behind_pointer }).collect()
}
