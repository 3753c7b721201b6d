//! What a pattern names.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Error;
use super::fields::{self, Field, Ty};
use super::glob::matches;
use crate::{Btf, Kind, Type, Types as _};

/// Of calls of the kernel's functions: they are passed in registers.
const MAX_ARGUMENTS: usize = 5;

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Types by id, in the order asked for, with the patterns for their fields; none means all.
    pub types: Vec<(u32, Option<Vec<String>>)>,
    /// Where in `types` an id is.
    places: HashMap<u32, usize>,
    pub functions: Vec<Function>,
    pub ops: Vec<Ops>,
    /// Enumerators of enums without a name.
    pub constants: Vec<Constant>,
}

/// A function whose arguments are wanted, or that is to be called.
#[derive(Debug)]
pub(super) struct Function {
    /// The name that it gets.
    pub name: String,
    pub proto: u32,
    pub role: Role,
    /// Names for parameters that have none in `proto`.
    pub names: Vec<String>,
    /// Parameters at the beginning that are not the program's.
    pub skip: usize,
    /// What it is, for the documentation.
    pub what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Arguments,
    Kfunc,
    /// In a structure of functions.
    Member,
}

/// A structure of functions.
#[derive(Debug)]
pub(super) struct Ops {
    pub id: u32,
    pub name: String,
    /// Members that programs can set.
    pub data: Vec<Field>,
    pub functions: Vec<Function>,
}

#[derive(Debug)]
pub(super) struct Constant {
    pub name: String,
    /// `u32`, `i32`, `u64` or `i64`.
    pub ty: &'static str,
    pub value: String,
}

/// What is wanted beside what patterns name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Patterns,
    AllTypes,
}

/// Everything that the patterns name.
pub(super) fn select(btf: &Btf<'_>, patterns: &[String], scope: Scope) -> Result<Asked, Error> {
    let names = Names::read(btf)?;
    let mut asked = Asked::default();
    if scope == Scope::AllTypes {
        names.types(btf, &mut asked, "*")?;
    }
    for pattern in patterns {
        let found = match pattern.split_once(':') {
            Some((kind, name)) => names.functions(btf, &mut asked, pattern, kind, name)?,
            None => names.types(btf, &mut asked, pattern)?,
        };
        if !found {
            return Err(names.missing(btf, pattern));
        }
    }
    let mut seen = BTreeSet::new();
    asked.functions.retain(|f| seen.insert(f.name.clone()));
    let mut seen = BTreeSet::new();
    asked.constants.retain(|c| seen.insert(c.name.clone()));
    Ok(asked)
}

/// All that can be asked for, by name.
struct Names<'a> {
    /// Structures, unions, enums and typedefs, in this order for one name.
    types: BTreeMap<&'a str, Vec<u32>>,
    functions: BTreeMap<&'a str, u32>,
    /// Functions that programs can call.
    kfuncs: BTreeSet<&'a str>,
    /// Enums without a name.
    anonymous: Vec<u32>,
}

impl<'a> Names<'a> {
    fn read(btf: &Btf<'a>) -> Result<Self, Error> {
        let mut names = Names {
            types: BTreeMap::new(),
            functions: BTreeMap::new(),
            kfuncs: BTreeSet::new(),
            anonymous: Vec::new(),
        };
        let mut parts = vec![btf];
        while let Some(base) = parts.last().and_then(|part| part.base()) {
            parts.push(base);
        }
        for part in parts.into_iter().rev() {
            for item in part.iter()? {
                let (id, ty) = item?;
                let name = ty.name().copied().unwrap_or_default();
                match ty {
                    Type::Enum(_) | Type::Enum64(_) if name.is_empty() => names.anonymous.push(id),
                    Type::Struct(_)
                    | Type::Union(_)
                    | Type::Enum(_)
                    | Type::Enum64(_)
                    | Type::Typedef(_)
                        if !name.is_empty() =>
                    {
                        names.types.entry(name).or_default().push(id);
                    }
                    Type::Func(func) => {
                        names.functions.entry(func.name).or_insert(id);
                    }
                    Type::DeclTag(tag) if tag.value == "bpf_kfunc" => {
                        if let Ok(Type::Func(func)) = btf.get(tag.type_id)
                            && let Ok(Type::FuncProto(proto)) = btf.get(func.type_id)
                            && proto.params.len() <= MAX_ARGUMENTS
                        {
                            names.kfuncs.insert(func.name);
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(names)
    }

    /// Adds types, or what else a name without a kind can mean; false when there is nothing.
    fn types(&self, btf: &Btf<'a>, asked: &mut Asked, pattern: &str) -> Result<bool, Error> {
        let (type_pattern, field) = match pattern.split_once('.') {
            Some((name, field)) => (name, Some(field)),
            None => (pattern, None),
        };
        let mut found = false;
        for ids in matching(&self.types, type_pattern) {
            for &id in ids {
                // A typedef's own type is what is wanted.
                let Some(id) = super::fields::declared(btf, id)? else {
                    continue;
                };
                if let Some(field) = field
                    && !super::fields::has_field(btf, id, field)?
                {
                    continue;
                }
                found = true;
                add_type(asked, id, field);
            }
        }
        if field.is_none() {
            found |= self.constants(btf, asked, pattern)?;
            if !found && self.functions.contains_key(pattern) {
                return self.functions(btf, asked, pattern, "fn", pattern);
            }
        }
        Ok(found)
    }

    /// Adds enumerators of enums without a name.
    fn constants(&self, btf: &Btf<'a>, asked: &mut Asked, pattern: &str) -> Result<bool, Error> {
        // A wildcard alone means types.
        if pattern.trim_matches(['*', '?']).is_empty() {
            return Ok(false);
        }
        let before = asked.constants.len();
        for &id in &self.anonymous {
            for (name, ty, value) in fields::enumerators(btf, id)? {
                if matches(pattern, name) {
                    asked.constants.push(Constant {
                        name: name.to_owned(),
                        ty,
                        value,
                    });
                }
            }
        }
        Ok(asked.constants.len() > before)
    }

    /// Adds functions of a kind; false when there is none of that name.
    fn functions(
        &self,
        btf: &Btf<'a>,
        asked: &mut Asked,
        pattern: &str,
        kind: &str,
        name: &str,
    ) -> Result<bool, Error> {
        let before = asked.functions.len() + asked.ops.len();
        match kind {
            "fn" | "iter" | "lsm" | "kfunc" => {
                let (prefix, role) = match kind {
                    "iter" => ("bpf_iter_", Role::Arguments),
                    "lsm" => ("bpf_lsm_", Role::Arguments),
                    "kfunc" => ("", Role::Kfunc),
                    _ => ("", Role::Arguments),
                };
                let wild = name.contains(['*', '?']);
                for &id in matching(&self.functions, &format!("{prefix}{name}")) {
                    let Type::Func(func) = btf.get(id)? else {
                        continue;
                    };
                    if role == Role::Kfunc && wild && !self.kfuncs.contains(func.name) {
                        continue;
                    }
                    let own = func.name.strip_prefix(prefix).unwrap_or(func.name);
                    asked.functions.push(Function {
                        name: own.to_owned(),
                        proto: func.type_id,
                        role,
                        names: Vec::new(),
                        skip: 0,
                        what: match kind {
                            "iter" => format!("Arguments of the iterator `{own}`"),
                            "lsm" => format!("Arguments of the security hook `{own}`"),
                            _ => format!("`{}`", btf.declaration(func.type_id, func.name)),
                        },
                    });
                }
            }
            "tp" => self.tracepoints(btf, asked, name)?,
            "struct_ops" => self.struct_ops(btf, asked, name)?,
            _ => {
                return Err(Error::UnknownKind {
                    pattern: pattern.to_owned(),
                    kind: kind.to_owned(),
                });
            }
        }
        Ok(asked.functions.len() + asked.ops.len() > before)
    }

    /// The kernel has a `typedef void (*btf_trace_NAME)(void *, …)` for each tracepoint.
    fn tracepoints(&self, btf: &Btf<'a>, asked: &mut Asked, name: &str) -> Result<(), Error> {
        const PREFIX: &str = "btf_trace_";
        for ids in matching(&self.types, &format!("{PREFIX}{name}")) {
            for &id in ids {
                let shape = btf.shape(id)?;
                let own = shape.name.strip_prefix(PREFIX).unwrap_or(shape.name);
                let Some(proto) = pointed_proto(btf, id)? else {
                    continue;
                };
                // Its parameters have no names there; those of the function that calls it have.
                let caller = self.functions.get(format!("__traceiter_{own}").as_str());
                let names = match caller.map(|&id| btf.get(id)).transpose()? {
                    Some(Type::Func(caller)) => btf
                        .params(caller.type_id)?
                        .into_iter()
                        .skip(1)
                        .map(|param| param.name.to_owned())
                        .collect(),
                    _ => Vec::new(),
                };
                asked.functions.push(Function {
                    name: own.to_owned(),
                    proto,
                    role: Role::Arguments,
                    names,
                    skip: 1,
                    what: format!("Arguments of the tracepoint `{own}`"),
                });
            }
        }
        Ok(())
    }

    /// Structures with members that are pointers to functions.
    fn struct_ops(&self, btf: &Btf<'a>, asked: &mut Asked, name: &str) -> Result<(), Error> {
        for ids in matching(&self.types, name) {
            for &id in ids {
                let shape = btf.shape(id)?;
                if shape.kind != Kind::Struct || asked.ops.iter().any(|ops| ops.id == id) {
                    continue;
                }
                let mut functions = Vec::new();
                for member in btf.members(id)? {
                    let Some(proto) = pointed_proto(btf, member.type_id)? else {
                        continue;
                    };
                    functions.push(Function {
                        name: member.name.to_owned(),
                        proto,
                        role: Role::Member,
                        names: Vec::new(),
                        skip: 0,
                        what: format!("`{}`", btf.declaration(proto, member.name)),
                    });
                }
                if functions.is_empty() {
                    continue;
                }
                let mut data = fields::fields(btf, id)?;
                data.retain(|field| {
                    field.bits.is_none() && field.ty.as_ref().is_some_and(can_be_set)
                });
                asked.ops.push(Ops {
                    id,
                    name: shape.name.to_owned(),
                    data,
                    functions,
                });
            }
        }
        Ok(())
    }

    /// Why a pattern gives nothing.
    fn missing(&self, btf: &Btf<'a>, pattern: &str) -> Error {
        let named = matching(&self.types, pattern).flatten().next();
        match named.and_then(|&id| btf.shape(id).ok()) {
            Some(shape) if shape.kind == Kind::Typedef => Error::OnlyName {
                pattern: pattern.to_owned(),
                name: shape.name.to_owned(),
            },
            _ => Error::Unknown {
                pattern: pattern.to_owned(),
                near: self.near(pattern),
            },
        }
    }

    /// Up to five names that are similar, with the kind to write before them.
    fn near(&self, pattern: &str) -> Vec<String> {
        let (kind, name) = pattern.split_once(':').unwrap_or(("", pattern));
        let name = name.split('.').next().unwrap_or(name);
        let prefix = match kind {
            "tp" => "btf_trace_",
            "lsm" => "bpf_lsm_",
            "iter" => "bpf_iter_",
            _ => "",
        };
        let types = self.types.keys().map(|name| ("", *name));
        let functions = self.functions.keys().map(|name| ("fn:", *name));
        let candidates: Vec<(&str, &str)> = match kind {
            "" => types.chain(functions).collect(),
            "tp" | "struct_ops" => types.collect(),
            _ => functions.collect(),
        };
        let mut near: Vec<(usize, String)> = candidates
            .into_iter()
            .filter_map(|(found_kind, found)| {
                let own = found.strip_prefix(prefix)?;
                let distance = super::name::distance(name, own)?;
                let kind = match kind {
                    "" => found_kind.to_owned(),
                    kind => format!("{kind}:"),
                };
                Some((distance, format!("{kind}{own}")))
            })
            .collect();
        near.sort();
        near.dedup();
        near.into_iter().take(5).map(|(_, name)| name).collect()
    }
}

/// The entries whose names match; a name without a wildcard is looked up.
fn matching<'m, 'a, V>(
    map: &'m BTreeMap<&'a str, V>,
    pattern: &str,
) -> Box<dyn Iterator<Item = &'m V> + 'm> {
    if !pattern.contains(['*', '?']) {
        return Box::new(map.get(pattern).into_iter());
    }
    let pattern = pattern.to_owned();
    Box::new(
        map.iter()
            .filter(move |(name, _)| matches(&pattern, name))
            .map(|(_, value)| value),
    )
}

/// A type asked for as a whole stays so, whatever fields are asked for.
fn add_type(asked: &mut Asked, id: u32, field: Option<&str>) {
    let known = asked.places.get(&id).copied();
    let Some((_, fields)) = known.and_then(|at| asked.types.get_mut(at)) else {
        let fields = field.map(|field| vec![field.to_owned()]);
        asked.places.insert(id, asked.types.len());
        asked.types.push((id, fields));
        return;
    };
    match (fields, field) {
        (Some(fields), Some(field)) => fields.push(field.to_owned()),
        (fields, _) => *fields = None,
    }
}

/// The prototype behind a pointer to a function.
fn pointed_proto(btf: &Btf<'_>, id: u32) -> Result<Option<u32>, Error> {
    let id = btf.resolve(id)?;
    if id == 0 || btf.shape(id)?.kind != Kind::Ptr {
        return Ok(None);
    }
    let proto = btf.resolve(btf.shape(id)?.type_id)?;
    let is_proto = proto != 0 && btf.shape(proto)?.kind == Kind::FuncProto;
    Ok(is_proto.then_some(proto))
}

/// Whether a constant of the type can be written: no pointer, and nothing of several members.
fn can_be_set(ty: &Ty) -> bool {
    match ty {
        Ty::Scalar(name) => !name.starts_with('*'),
        Ty::Enum(_) => true,
        Ty::Array(element, _) => can_be_set(element),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("sock", "sock", true),
            ("sock", "socket", false),
            ("*", "", true),
            ("bpf_*", "bpf_map", true),
            ("bpf_*", "xbpf_map", false),
            ("*_map*", "bpf_map_ops", true),
            ("*a*b*", "xxbxaxb", true),
            ("*a*b*", "xxbxax", false),
            ("s?ck", "sock", true),
            ("s?ck", "sck", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
