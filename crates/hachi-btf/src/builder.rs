use hachi_asm::Endian;

use crate::{Btf, Error, Kind, Member, Param, Shape, StringTable, Type, Types, encode};

/// BTF as owned data, to be made or edited. Type `id` is `types[id - 1]`; 0 is void.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BtfBuilder {
    types: Vec<Type>,
}

impl BtfBuilder {
    /// No types.
    pub fn new() -> BtfBuilder {
        BtfBuilder::default()
    }

    /// A copy of what a reader holds (of this part alone, so not of split BTF).
    ///
    /// # Errors
    /// If it is malformed, or split.
    pub fn from_btf(btf: &Btf<'_>) -> Result<BtfBuilder, Error> {
        if btf.first_id() != 1 {
            return Err(Error::malformed("split BTF cannot be edited on its own"));
        }
        let mut types = Vec::with_capacity(btf.check_index()?);
        for item in btf.iter()? {
            let (_, ty) = item?;
            types.push(ty.map_names(|name| (*name).to_owned()));
        }
        Ok(BtfBuilder { types })
    }

    /// Adds a type and gives its id.
    pub fn add(&mut self, ty: Type) -> u32 {
        self.types.push(ty);
        self.types.len() as u32
    }

    /// How many types there are; the last has this id.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The type of this id; `None` for 0 (void) and unknown ones.
    pub fn get(&self, id: u32) -> Option<&Type> {
        self.types.get((id as usize).checked_sub(1)?)
    }

    /// The type of this id, to edit it.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Type> {
        self.types.get_mut((id as usize).checked_sub(1)?)
    }

    /// All types with their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &Type)> {
        self.types
            .iter()
            .enumerate()
            .map(|(i, t)| (i as u32 + 1, t))
    }

    /// All types with their ids, to edit them.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (u32, &mut Type)> {
        self.types
            .iter_mut()
            .enumerate()
            .map(|(i, t)| (i as u32 + 1, t))
    }

    /// The section of this name (`.maps`, `.rodata`).
    pub fn datasec(&self, name: &str) -> Option<(u32, &crate::DataSec)> {
        self.iter().find_map(|(id, ty)| match ty {
            Type::DataSec(sec) if sec.name == name => Some((id, sec)),
            _ => None,
        })
    }

    /// Keeps the types for which `keep` holds **and all they refer to**, renumbers, and returns
    /// for each old id (index) its new one, 0 if it is gone.
    ///
    /// References to void or to missing types stay as they are and become 0 respectively.
    pub fn retain(&mut self, mut keep: impl FnMut(u32, &Type) -> bool) -> Vec<u32> {
        let mut live = vec![false; self.types.len() + 1];
        let mut todo: Vec<u32> = self
            .iter()
            .filter(|(id, ty)| keep(*id, ty))
            .map(|(id, _)| id)
            .collect();
        while let Some(id) = todo.pop() {
            if std::mem::replace(&mut live[id as usize], true) {
                continue;
            }
            let len = live.len() as u32;
            self.types[id as usize - 1].for_each_ref(|target| {
                if *target != 0 && *target < len {
                    todo.push(*target);
                }
            });
        }
        let mut map = vec![0; live.len()];
        let mut next = 0;
        for id in 1..live.len() {
            if live[id] {
                next += 1;
                map[id] = next;
            }
        }
        let mut id = 0;
        self.types.retain(|_| {
            id += 1;
            live[id]
        });
        self.map_refs(|old| map.get(old as usize).copied().unwrap_or(0));
        map
    }

    /// Replaces every reference between types.
    pub fn map_refs(&mut self, mut f: impl FnMut(u32) -> u32) {
        for ty in &mut self.types {
            ty.for_each_ref(|target| *target = f(*target));
        }
    }

    /// The `.BTF` section.
    ///
    /// # Errors
    /// If something doesn't fit its field.
    pub fn encode(&self, endian: Endian) -> Result<Vec<u8>, Error> {
        self.encode_with(&mut StringTable::new(), endian)
    }

    /// The `.BTF` section, with the strings already in `strings` before its own; afterwards
    /// `strings` is what was written. So line info can share the section: add its strings first
    /// (or encode [`crate::BtfExt`] with the same table **before** this).
    ///
    /// # Errors
    /// If something doesn't fit its field.
    pub fn encode_with(&self, strings: &mut StringTable, endian: Endian) -> Result<Vec<u8>, Error> {
        encode::btf(&self.types, strings, endian)
    }
}

impl Types for BtfBuilder {
    fn last_id(&self) -> u32 {
        self.types.len() as u32
    }

    fn shape(&self, id: u32) -> Result<Shape<'_>, Error> {
        let ty = self.get(id).ok_or(Error::NoSuchType {
            id,
            last: self.last_id(),
        })?;
        let (size, type_id, nelems) = match ty {
            Type::Int(t) => (t.size, 0, 0),
            Type::Float(t) => (t.size, 0, 0),
            Type::Struct(t) | Type::Union(t) => (t.size, 0, t.members.len() as u32),
            Type::Enum(t) => (t.size, 0, t.variants.len() as u32),
            Type::Enum64(t) => (t.size, 0, t.variants.len() as u32),
            Type::DataSec(t) => (t.size, 0, t.vars.len() as u32),
            Type::Array(t) => (0, t.type_id, t.nelems),
            Type::Ptr(t) => (0, t.type_id, 0),
            Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => (0, t.type_id, 0),
            Type::Typedef(t) => (0, t.type_id, 0),
            Type::Fwd(t) => (0, 0, t.union.into()),
            Type::Func(t) => (0, t.type_id, t.linkage as u32),
            Type::FuncProto(t) => (0, t.ret_type_id, t.params.len() as u32),
            Type::Var(t) => (0, t.type_id, 0),
            Type::DeclTag(t) => (0, t.type_id, 0),
            Type::TypeTag(t) => (0, t.type_id, 0),
        };
        Ok(Shape {
            kind: ty.kind(),
            name: ty.name().map_or("", |name| name),
            size,
            type_id,
            nelems,
        })
    }

    fn params(&self, id: u32) -> Result<Vec<Param<&str>>, Error> {
        self.shape(id)?;
        Ok(match self.get(id) {
            Some(Type::FuncProto(t)) => t
                .params
                .iter()
                .map(|p| Param {
                    name: p.name.as_str(),
                    type_id: p.type_id,
                })
                .collect(),
            _ => Vec::new(),
        })
    }

    fn members(&self, id: u32) -> Result<Vec<Member<&str>>, Error> {
        self.shape(id)?;
        Ok(match self.get(id) {
            Some(Type::Struct(t) | Type::Union(t)) => t
                .members
                .iter()
                .map(|m| Member {
                    name: m.name.as_str(),
                    type_id: m.type_id,
                    bit_offset: m.bit_offset,
                    bit_size: m.bit_size,
                })
                .collect(),
            _ => Vec::new(),
        })
    }

    fn find(&self, name: &str, kind: Kind) -> Option<u32> {
        self.iter()
            .find(|(_, ty)| ty.kind() == kind && ty.name().is_some_and(|n| n == name))
            .map(|(id, _)| id)
    }
}
