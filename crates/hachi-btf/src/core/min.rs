//! As few of a kernel's types as CO-RE records need, to be shipped with an object for kernels that
//! do not show theirs.

use std::collections::{BTreeMap, BTreeSet};

use super::access::Access;
use super::node::{Budget, DEPTH, Node};
use super::{CoreError, candidates_in, field};
use crate::ext::{CoreRelo, CoreReloKind, Subject};
use crate::{Btf, BtfBuilder, Error, Kind, Type, Types as _};

/// Collects the types that records need, and makes BTF of them in which every record has the answer
/// it has in the whole, down to being missing or ambiguous.
///
/// The one exception are ids of types ([`CoreReloKind::TypeIdTarget`]): they count the types of the
/// whole.
pub struct Minimizer<'t> {
    kernel: &'t Btf<'t>,
    keep: BTreeMap<u32, Keep>,
    /// Types whose shape has been kept, and whether that was behind a pointer.
    shapes: BTreeSet<(u32, bool)>,
}

/// What is needed of a type, besides that it is there with its name and size.
#[derive(Default)]
struct Keep {
    /// Members or variants.
    parts: BTreeSet<u32>,
    /// What it refers to (a pointer's pointee, a function's parameters).
    references: bool,
}

impl<'t> Minimizer<'t> {
    /// Of these types.
    pub fn new(kernel: &'t Btf<'t>) -> Self {
        Minimizer {
            kernel,
            keep: BTreeMap::new(),
            shapes: BTreeSet::new(),
        }
    }

    /// Adds what this record, which refers to types of `local`, needs.
    ///
    /// # Errors
    /// As [`Resolver::resolve`](super::Resolver::resolve): what the record cannot have an answer
    /// for.
    pub fn add(&mut self, local: &Btf<'_>, relo: CoreRelo<&str>) -> Result<(), CoreError> {
        let access = Access::parse(local, relo)?;
        if relo.kind == CoreReloKind::TypeIdLocal {
            return Ok(());
        }
        let root = Node::at(local, relo.type_id)?;
        let mut budget = Budget::default();
        for id in candidates_in(self.kernel, local, &root) {
            let found = field::walk(&access, self.kernel, id, &mut budget)?;
            match relo.kind.subject() {
                Subject::Type => {
                    self.root(id)?;
                    match relo.kind {
                        CoreReloKind::TypeMatches => self.shape(id, false, DEPTH)?,
                        _ => self.chain(id, DEPTH)?,
                    }
                }
                // Candidates that do not match need not be there, but it must not come to pass that
                // one of them does: so nothing of them is kept for this record.
                Subject::Field | Subject::Variant => {
                    if let Ok(found) = found {
                        self.root(id)?;
                        self.path(&found)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A candidate itself: under its name, which may be that of a typedef.
    fn root(&mut self, id: u32) -> Result<(), CoreError> {
        self.keep.entry(id).or_default();
        self.value(id)
    }

    /// A type of which kind, size and sign count.
    fn value(&mut self, id: u32) -> Result<(), CoreError> {
        let mut at = id;
        for _ in 0..DEPTH {
            let node = Node::peeled(self.kernel, at)?;
            if node.id == 0 {
                return Ok(());
            }
            self.keep.entry(node.id).or_default();
            if !node.is(Kind::Array) {
                return Ok(());
            }
            at = node.array().0;
        }
        Err(CoreError::TooComplex)
    }

    fn path(&mut self, found: &Access<'_>) -> Result<(), CoreError> {
        if let Subject::Variant = found.kind.subject() {
            for point in &found.points {
                self.part(point.type_id, point.index);
            }
            return Ok(());
        }
        for &(parent, index) in &found.members {
            self.part(parent, index);
            let node = Node::at(self.kernel, parent)?;
            let member = node.field(index as usize).type_id;
            self.value(member)?;
            // An array without length is a flexible one if it is the last member; one that is not
            // must not become it.
            let array = Node::peeled(self.kernel, member)?;
            let last = node.vlen().saturating_sub(1) as u32;
            if array.is(Kind::Array) && array.array().1 == 0 && index != last {
                self.part(parent, last);
                self.value(node.field(last as usize).type_id)?;
            }
        }
        for point in &found.points {
            self.value(point.type_id)?;
        }
        Ok(())
    }

    fn part(&mut self, id: u32, part: u32) {
        self.keep.entry(id).or_default().parts.insert(part);
    }

    /// A type whose kind counts, and the kinds of all it refers to.
    fn chain(&mut self, id: u32, depth: u32) -> Result<(), CoreError> {
        let depth = depth.checked_sub(1).ok_or(CoreError::TooComplex)?;
        self.value(id)?;
        let node = Node::peeled(self.kernel, id)?;
        match node.kind() {
            Some(Kind::Ptr | Kind::FuncProto) => {
                if self.refer(node.id) {
                    self.chain(node.type_id(), depth)?;
                    for i in 0..self.params(&node) {
                        self.chain(node.param(i), depth)?;
                    }
                }
                Ok(())
            }
            Some(Kind::Array) => self.chain(node.array().0, depth),
            _ => Ok(()),
        }
    }

    /// Notes that what a type refers to is needed; whether that is new.
    fn refer(&mut self, id: u32) -> bool {
        !std::mem::replace(&mut self.keep.entry(id).or_default().references, true)
    }

    fn params(&self, node: &Node<'_>) -> usize {
        match node.is(Kind::FuncProto) {
            true => node.vlen(),
            false => 0,
        }
    }

    /// A type with all its members or variants, and theirs; behind pointers, its kind.
    fn shape(&mut self, id: u32, behind_pointer: bool, depth: u32) -> Result<(), CoreError> {
        let depth = depth.checked_sub(1).ok_or(CoreError::TooComplex)?;
        self.value(id)?;
        let node = Node::peeled(self.kernel, id)?;
        if !self.shapes.insert((node.id, behind_pointer)) {
            return Ok(());
        }
        let all = 0..node.vlen() as u32;
        match node.kind() {
            Some(Kind::Enum | Kind::Enum64) => {
                self.keep.entry(node.id).or_default().parts.extend(all);
            }
            Some(Kind::Struct | Kind::Union) if !behind_pointer => {
                self.keep.entry(node.id).or_default().parts.extend(all);
                for i in 0..node.vlen() {
                    self.shape(node.field(i).type_id, false, depth)?;
                }
            }
            Some(Kind::Ptr) => {
                self.refer(node.id);
                self.shape(node.type_id(), true, depth)?;
            }
            Some(Kind::Array) => self.shape(node.array().0, behind_pointer, depth)?,
            Some(Kind::FuncProto) => {
                self.refer(node.id);
                self.shape(node.type_id(), behind_pointer, depth)?;
                for i in 0..node.vlen() {
                    self.shape(node.param(i), behind_pointer, depth)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The types collected, in their order.
    ///
    /// # Errors
    /// If types are malformed.
    pub fn finish(mut self) -> Result<BtfBuilder, Error> {
        // Says how large pointers are.
        if let Some(long) = self.kernel.long() {
            self.keep.entry(long).or_default();
        }
        let new: BTreeMap<u32, u32> = self.keep.keys().copied().zip(1..).collect();
        let peeled = |id: u32| match Node::peeled(self.kernel, id) {
            Ok(node) => new.get(&node.id).copied().unwrap_or(0),
            Err(_) => 0,
        };
        let mut out = BtfBuilder::new();
        for (&id, keep) in &self.keep {
            let mut ty = self.kernel.get(id)?.map_names(|name| (*name).to_owned());
            match &mut ty {
                Type::Struct(t) | Type::Union(t) => retain(&mut t.members, &keep.parts),
                Type::Enum(t) => retain(&mut t.variants, &keep.parts),
                Type::Enum64(t) => retain(&mut t.variants, &keep.parts),
                Type::FuncProto(t) if !keep.references => t.params.clear(),
                _ => {}
            }
            let refers = keep.references || !matches!(ty.kind(), Kind::Ptr | Kind::FuncProto);
            ty.for_each_ref(|target| {
                *target = match refers {
                    true => peeled(*target),
                    false => 0,
                }
            });
            out.add(ty);
        }
        Ok(out)
    }
}

/// Keeps the parts of these numbers.
fn retain<T>(parts: &mut Vec<T>, keep: &BTreeSet<u32>) {
    let mut number = 0;
    parts.retain(|_| {
        number += 1;
        keep.contains(&(number - 1))
    });
}

impl Btf<'_> {
    fn long(&self) -> Option<u32> {
        (1..=self.last_id()).find(|&id| Node::at(self, id).is_ok_and(|node| node.is_long(self)))
    }
}
