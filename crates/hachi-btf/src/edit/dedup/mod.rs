//! One type where there are several that are the same.
//!
//! The difficulty is that types refer to each other in circles, so "the same" cannot be decided one
//! by one. The algorithm is libbpf's (`btf__dedup`), in five steps:
//!
//! 1. names become numbers, so that comparing them costs nothing;
//! 2. types that refer to none (numbers, enums, announcements) are compared as they are;
//! 3. each struct is compared with the earlier ones of the same outline, following references on
//!    both sides at once. Pairs met on the way are taken to be the same until a contradiction is
//!    found ([`compare`]). Thereby `struct x;` of one compilation unit meets `struct x {…}` of
//!    another, and is resolved to it;
//! 4. what is still only announced and defined exactly once is resolved by name;
//! 5. now that all circles go through structs that are decided, the types that refer to others
//!    (pointers, typedefs, functions, …) are compared from the inside out.
//!
//! Variables and sections are things rather than types and all stay.

mod compare;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::{
    Btf, BtfBuilder, Composite, Enum, Enum64, Error, Kind, Malformed, Type, Types as _, Unsuited,
};

/// A type with numbers for names; 0 is the empty name.
type Node = Type<u32>;

/// In [`Dedup::map`]: not decided yet.
const UNDECIDED: u32 = u32::MAX;
/// In [`Dedup::map`]: being decided.
const OPEN: u32 = u32::MAX - 1;

impl BtfBuilder {
    /// Removes duplicates, of types and strings, and returns for each old id (index) the one it has
    /// now. Types keep their order.
    ///
    /// # Errors
    /// If a type refers to one that isn't there, or types other than structs refer to each other in
    /// a circle.
    pub fn dedup(&mut self) -> Result<Vec<u32>, Error> {
        self.dedup_on(None)
    }

    /// As [`BtfBuilder::dedup`] for the part on top of `base`: types that the base has are removed
    /// too.
    ///
    /// # Errors
    /// As [`BtfBuilder::dedup`], and if `base` is not the one this was made for.
    pub fn dedup_split(&mut self, base: &Btf<'_>) -> Result<Vec<u32>, Error> {
        self.dedup_on(Some(base))
    }

    fn dedup_on(&mut self, base: Option<&Btf<'_>>) -> Result<Vec<u32>, Error> {
        let before = base.map_or(0, |base| base.last_id());
        if before + 1 != self.first_id() {
            return Err(Unsuited::OtherBase {
                expected: self.first_id() - 1,
                types: before,
            }
            .into());
        }
        let map = Dedup::new(self, base)?.run()?;
        // Ids of what stays, in order; then of what is replaced.
        let mut new: Vec<u32> = (0..self.first_id()).collect();
        let mut next = self.first_id();
        for id in self.first_id()..=self.last_id() {
            new.push(match map[id as usize] == id {
                true => {
                    next += 1;
                    next - 1
                }
                false => 0,
            });
        }
        let moved: Vec<u32> = map.iter().map(|&to| new[to as usize]).collect();
        let mut id = self.first_id();
        self.retain_types(|_| {
            id += 1;
            map[id as usize - 1] == id - 1
        });
        self.map_refs(|old| moved[old as usize]);
        Ok(moved)
    }
}

struct Dedup {
    /// By id; what is at 0 is never looked at.
    types: Vec<Node>,
    /// The first id that may be removed.
    first: u32,
    /// By id: the type that stands for it, perhaps by way of others; itself if it stays.
    map: Vec<u32>,
    /// Types that stay, by hash.
    table: HashMap<u64, Vec<u32>>,
    /// While comparing two structs: by id of the one that stays, its counterpart.
    pairs: Vec<u32>,
    /// Ids that have one.
    paired: Vec<u32>,
    /// Whether a struct would have to stand for an announcement of the base.
    completes_base: bool,
}

impl Dedup {
    fn new(btf: &BtfBuilder, base: Option<&Btf<'_>>) -> Result<Dedup, Error> {
        let mut names: HashMap<String, u32> = HashMap::from([(String::new(), 0)]);
        let mut number = |name: &str| match names.get(name) {
            Some(&number) => number,
            None => {
                let number = names.len() as u32;
                names.insert(name.to_owned(), number);
                number
            }
        };
        let mut types = vec![Type::Ptr(crate::Ptr { type_id: 0 })];
        for id in 1..btf.first_id() {
            if let Some(base) = base {
                types.push(base.get(id)?.map_names(|name| number(name)));
            }
        }
        for (_, ty) in btf.iter() {
            types.push(ty.map_names(|name| number(name)));
        }
        let len = types.len();
        for (id, ty) in (0..).zip(&mut types) {
            let mut missing = None;
            ty.for_each_ref(|target| {
                if *target as usize >= len {
                    missing = Some(*target);
                }
            });
            if let Some(target) = missing {
                return Err(Malformed::Dangling {
                    id,
                    target,
                    last: (len - 1) as u32,
                }
                .into());
            }
        }
        let mut dedup = Dedup {
            types,
            first: btf.first_id(),
            map: vec![UNDECIDED; len],
            table: HashMap::new(),
            pairs: vec![0; len],
            paired: Vec::new(),
            completes_base: false,
        };
        dedup.map[0] = 0;
        for id in 1..dedup.first {
            dedup.keep(id, hash_of(&dedup.types[id as usize]));
        }
        Ok(dedup)
    }

    /// For each id the one that stands for it.
    fn run(mut self) -> Result<Vec<u32>, Error> {
        for id in self.own() {
            self.leaf(id);
        }
        for id in self.own() {
            self.composite(id);
        }
        self.resolve_announced();
        for id in self.own() {
            self.reference(id)?;
        }
        Ok((0..self.map.len() as u32)
            .map(|id| self.resolve(id))
            .collect())
    }

    fn own(&self) -> std::ops::Range<u32> {
        self.first..self.types.len() as u32
    }

    fn is_decided(&self, id: u32) -> bool {
        self.map[id as usize] < OPEN
    }

    /// The type that stands for another, as far as decided.
    fn resolve(&self, id: u32) -> u32 {
        let mut at = id;
        while self.is_decided(at) && self.map[at as usize] != at {
            at = self.map[at as usize];
        }
        at
    }

    fn keep(&mut self, id: u32, hash: u64) {
        self.map[id as usize] = id;
        self.table.entry(hash).or_default().push(id);
    }

    fn candidates(&self, hash: u64) -> Vec<u32> {
        self.table.get(&hash).cloned().unwrap_or_default()
    }

    /// Step 2: types that refer to no others.
    fn leaf(&mut self, id: u32) {
        let ty = &self.types[id as usize];
        match ty.kind() {
            Kind::Int | Kind::Float | Kind::Fwd | Kind::Enum | Kind::Enum64 => {}
            Kind::Var | Kind::DataSec => {
                self.map[id as usize] = id;
                return;
            }
            _ => return,
        }
        let hash = hash_of(ty);
        for candidate in self.candidates(hash) {
            let other = &self.types[candidate as usize];
            if ty == other || is_announcement_of(ty, other) {
                self.map[id as usize] = candidate;
                return;
            }
            if is_announcement_of(other, ty) {
                self.map[candidate as usize] = id;
            }
        }
        self.keep(id, hash);
    }

    /// Step 3: structs and unions.
    fn composite(&mut self, id: u32) {
        let (Type::Struct(_) | Type::Union(_)) = &self.types[id as usize] else {
            return;
        };
        if self.is_decided(id) {
            return;
        }
        let hash = hash_of(&self.types[id as usize]);
        for candidate in self.candidates(hash) {
            let same = self.same_outline(id, candidate) && self.is_equivalent(id, candidate);
            if same {
                self.accept_pairs();
                // If it took completing a type of the base, the base's cannot stand for this one.
                if !self.completes_base {
                    self.map[id as usize] = candidate;
                    return;
                }
            }
        }
        self.keep(id, hash);
    }

    /// Step 4: what is only announced, and defined once.
    fn resolve_announced(&mut self) {
        let mut defined: HashMap<(u32, Kind), Option<u32>> = HashMap::new();
        for id in 1..self.types.len() as u32 {
            let ty = &self.types[id as usize];
            if let (Type::Struct(composite) | Type::Union(composite), true) =
                (ty, self.map[id as usize] == id)
            {
                defined
                    .entry((composite.name, ty.kind()))
                    .and_modify(|only| *only = None)
                    .or_insert(Some(id));
            }
        }
        for id in self.own() {
            let at = self.resolve(id);
            if let Type::Fwd(fwd) = &self.types[at as usize] {
                let kind = if fwd.union { Kind::Union } else { Kind::Struct };
                if let Some(&Some(definition)) = defined.get(&(fwd.name, kind)) {
                    self.map[at as usize] = definition;
                }
            }
        }
    }

    /// Step 5: types that refer to others, after those they refer to.
    fn reference(&mut self, id: u32) -> Result<(), Error> {
        let mut todo = vec![id];
        while let Some(&id) = todo.last() {
            if self.is_decided(id) {
                todo.pop();
                continue;
            }
            let opened = self.map[id as usize] == OPEN;
            self.map[id as usize] = OPEN;
            let mut waiting = Vec::new();
            let mut ty = self.types[id as usize].clone();
            ty.for_each_ref(|target| {
                if !self.is_decided(*target) {
                    waiting.push(*target);
                }
            });
            if opened && !waiting.is_empty()
                || waiting.iter().any(|&id| self.map[id as usize] == OPEN)
            {
                return Err(Malformed::RefersToItself { id }.into());
            }
            if !waiting.is_empty() {
                todo.extend(waiting);
                continue;
            }
            ty.for_each_ref(|target| *target = self.resolve(*target));
            self.types[id as usize] = ty;
            let ty = &self.types[id as usize];
            let hash = hash_of(ty);
            let same = self
                .table
                .get(&hash)
                .and_then(|all| all.iter().find(|&&other| self.types[other as usize] == *ty))
                .copied();
            match same {
                Some(same) => self.map[id as usize] = same,
                None => self.keep(id, hash),
            }
            todo.pop();
        }
        Ok(())
    }
}

/// Whether `a` is an enum only announced, and `b` one of its name. (Its size says nothing: the
/// compiler did not know it.)
fn is_announcement_of(a: &Node, b: &Node) -> bool {
    match (a, b) {
        (Type::Enum(a), Type::Enum(b)) => a.variants.is_empty() && a.name == b.name && a.name != 0,
        (Type::Enum(a), Type::Enum64(b)) => {
            a.variants.is_empty() && a.name == b.name && a.name != 0
        }
        _ => false,
    }
}

/// A hash of what must be equal for two types to be the same: of a struct, all but the types of
/// its members; of an enum, the name.
fn hash_of(ty: &Node) -> u64 {
    let mut hasher = DefaultHasher::new();
    match ty {
        Type::Enum(Enum { name, .. }) => ("enum", name).hash(&mut hasher),
        Type::Enum64(Enum64 { name, .. }) => ("enum", name).hash(&mut hasher),
        Type::Struct(composite) | Type::Union(composite) => {
            (ty.kind(), composite.name, composite.size).hash(&mut hasher);
            composite.members.iter().for_each(|member| {
                (member.name, member.bit_offset, member.bit_size).hash(&mut hasher);
            });
        }
        _ => ty.hash(&mut hasher),
    }
    hasher.finish()
}

/// Whether two structs are equal, apart from the types of their members.
fn same_members(a: &Composite<u32>, b: &Composite<u32>) -> bool {
    a.name == b.name
        && a.size == b.size
        && a.members.len() == b.members.len()
        && a.members
            .iter()
            .zip(&b.members)
            .all(|(a, b)| (a.name, a.bit_offset, a.bit_size) == (b.name, b.bit_offset, b.bit_size))
}
