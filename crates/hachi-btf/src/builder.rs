use hachi_asm::Endian;

use crate::{Btf, Error, Kind, Shape, StringTable, Type, Types, Unsuited, encode};

/// BTF as owned data, to be made or edited. Ids count from 1 in the order of adding; 0 is void.
///
/// A split one ([`BtfBuilder::split`]) holds the part on top of a base: its ids begin after the
/// base's, to whose types it may refer without having them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BtfBuilder {
    types: Vec<Type>,
    /// Ids of the base: type `id` is `types[id - before - 1]`.
    before: u32,
}

impl BtfBuilder {
    /// No types.
    pub fn new() -> BtfBuilder {
        BtfBuilder::default()
    }

    /// No types yet, on top of a base.
    pub fn split(base: &Btf<'_>) -> BtfBuilder {
        BtfBuilder::on(base.last_id())
    }

    /// No types yet, on top of a base with `before` types.
    pub(crate) fn on(before: u32) -> BtfBuilder {
        BtfBuilder {
            types: Vec::new(),
            before,
        }
    }

    /// A copy of what a reader holds: of split BTF, the part on top of its base.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn from_btf(btf: &Btf<'_>) -> Result<BtfBuilder, Error> {
        let mut types = Vec::with_capacity(btf.check_index()?);
        for item in btf.iter()? {
            let (_, ty) = item?;
            types.push(ty.map_names(|name| (*name).to_owned()));
        }
        let before = btf.first_id() - 1;
        Ok(BtfBuilder { types, before })
    }

    /// The id of the first type: 1, or one past the base's last.
    pub fn first_id(&self) -> u32 {
        self.before + 1
    }

    /// Adds a type and gives its id.
    pub fn add(&mut self, ty: Type) -> u32 {
        self.types.push(ty);
        self.last_id()
    }

    /// How many types there are, without a base's.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The type of this id; `None` for 0 (void) and unknown ones.
    pub fn get(&self, id: u32) -> Option<&Type> {
        self.types.get(self.position(id)?)
    }

    /// The type of this id, to edit it.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Type> {
        let position = self.position(id)?;
        self.types.get_mut(position)
    }

    fn position(&self, id: u32) -> Option<usize> {
        (id as usize).checked_sub(self.first_id() as usize)
    }

    /// All types with their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &Type)> {
        let first = self.first_id();
        let with_id = move |(i, ty)| (first + i as u32, ty);
        self.types.iter().enumerate().map(with_id)
    }

    /// All types with their ids, to edit them.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (u32, &mut Type)> {
        let first = self.first_id();
        let with_id = move |(i, ty)| (first + i as u32, ty);
        self.types.iter_mut().enumerate().map(with_id)
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
    /// References to void and to a base's types stay as they are, those to missing types become 0.
    pub fn retain(&mut self, mut keep: impl FnMut(u32, &Type) -> bool) -> Vec<u32> {
        let mut live = vec![false; self.types.len()];
        let mut todo: Vec<u32> = self
            .iter()
            .filter(|(id, ty)| keep(*id, ty))
            .map(|(id, _)| id)
            .collect();
        while let Some(id) = todo.pop() {
            let Some(at) = self.position(id).filter(|&at| at < live.len()) else {
                continue;
            };
            if !std::mem::replace(&mut live[at], true) {
                self.types[at].for_each_ref(|target| todo.push(*target));
            }
        }
        let mut map: Vec<u32> = (0..self.first_id()).collect();
        let mut next = self.before;
        map.extend(live.iter().map(|&live| match live {
            true => {
                next += 1;
                next
            }
            false => 0,
        }));
        let mut live = live.into_iter();
        self.types.retain(|_| live.next().unwrap_or_default());
        self.map_refs(|old| map.get(old as usize).copied().unwrap_or(0));
        map
    }

    /// Keeps the types for which `keep` holds, whatever refers to the others.
    #[cfg(feature = "edit")]
    pub(crate) fn retain_types(&mut self, keep: impl FnMut(&Type) -> bool) {
        self.types.retain(keep);
    }

    /// Moves each type to the id that `map` has for it, which are all different, and changes all
    /// references accordingly.
    #[cfg(feature = "edit")]
    pub(crate) fn reorder(&mut self, map: &[u32]) {
        let first = self.first_id();
        let mut old: Vec<(u32, Type)> = (first..)
            .zip(std::mem::take(&mut self.types))
            .map(|(id, ty)| (map[id as usize], ty))
            .collect();
        old.sort_unstable_by_key(|(id, _)| *id);
        self.types.extend(old.into_iter().map(|(_, ty)| ty));
        self.map_refs(|old| map.get(old as usize).copied().unwrap_or(0));
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
    /// If something doesn't fit its field, or this is split: [`BtfBuilder::encode_split`].
    pub fn encode(&self, endian: Endian) -> Result<Vec<u8>, Error> {
        self.encode_with(&mut StringTable::new(), endian)
    }

    /// The `.BTF` section of the part on top of `base`, whose byte order and strings it shares.
    ///
    /// # Errors
    /// If something doesn't fit its field, or `base` is another than this was made for.
    pub fn encode_split(&self, base: &Btf<'_>) -> Result<Vec<u8>, Error> {
        self.encode_with(&mut StringTable::split(base), base.endian())
    }

    /// The `.BTF` section, with the strings already in `strings` before its own; afterwards
    /// `strings` is what was written. So line info can share the section: add its strings first
    /// (or encode [`crate::BtfExt`] with the same table **before** this).
    ///
    /// # Errors
    /// If something doesn't fit its field, or the table is for another base.
    pub fn encode_with(&self, strings: &mut StringTable, endian: Endian) -> Result<Vec<u8>, Error> {
        if strings.base_types() != self.before {
            return Err(Unsuited::OtherBase {
                expected: self.before,
                types: strings.base_types(),
            }
            .into());
        }
        encode::btf(&self.types, self.first_id(), strings, endian)
    }
}

impl Types for BtfBuilder {
    fn last_id(&self) -> u32 {
        self.before + self.types.len() as u32
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

    fn decode(&self, id: u32) -> Result<Type<&str>, Error> {
        let missing = Error::NoSuchType {
            id,
            last: self.last_id(),
        };
        Ok(self.get(id).ok_or(missing)?.map_names(String::as_str))
    }

    fn find(&self, name: &str, kind: Kind) -> Option<u32> {
        self.iter()
            .find(|(_, ty)| ty.kind() == kind && ty.name().is_some_and(|n| n == name))
            .map(|(id, _)| id)
    }
}
