//! Whether two types are the same, with all they refer to.

use super::{Dedup, Node, UNDECIDED, is_announcement_of, same_members};
use crate::{Kind, Type};

/// How deep [`Dedup::is_identical`] looks, and how many types it looks at in all.
const DEPTH: u32 = 16;
const LOOKS: u32 = 4096;

impl Dedup {
    /// Whether two structs or unions are equal, apart from the types of their members.
    pub(super) fn same_outline(&self, a: u32, b: u32) -> bool {
        match (&self.types[a as usize], &self.types[b as usize]) {
            (Type::Struct(a), Type::Struct(b)) | (Type::Union(a), Type::Union(b)) => {
                same_members(a, b)
            }
            _ => false,
        }
    }

    /// Whether `new` is the same type as `kept`, following both through all references. Leaves the
    /// pairs of types that must then be the same, too.
    pub(super) fn is_equivalent(&mut self, new: u32, kept: u32) -> bool {
        for id in self.paired.drain(..) {
            self.pairs[id as usize] = 0;
        }
        self.completes_base = false;
        // A list instead of recursion: paths through a kernel's types are thousands long.
        let mut todo = vec![(new, kept)];
        while let Some((new, kept)) = todo.pop() {
            if self.resolve(new) == self.resolve(kept) {
                continue;
            }
            if new == 0 || kept == 0 {
                return false;
            }
            let kept = self.resolve_fwd(kept);
            match self.pairs[kept as usize] {
                0 => {
                    self.pairs[kept as usize] = new;
                    self.paired.push(kept);
                }
                pair if pair == new => continue,
                // Compilers sometimes describe a type twice within one unit.
                pair => match self.is_identical(pair, new, DEPTH, &mut { LOOKS }) {
                    true => continue,
                    false => return false,
                },
            }
            match self.compare(new, kept) {
                Some(next) => todo.extend(next),
                None => return false,
            }
        }
        true
    }

    /// Compares two types without what they refer to, which is the answer; `None` if they differ.
    fn compare(&mut self, new: u32, kept: u32) -> Option<Vec<(u32, u32)>> {
        let (a, b) = (&self.types[new as usize], &self.types[kept as usize]);
        let none = Vec::new();
        match (a, b) {
            (Type::Fwd(fwd), Type::Struct(it)) | (Type::Struct(it), Type::Fwd(fwd))
                if !fwd.union && fwd.name == it.name => {}
            (Type::Fwd(fwd), Type::Union(it)) | (Type::Union(it), Type::Fwd(fwd))
                if fwd.union && fwd.name == it.name => {}
            _ => return same_except_references(a, b).then(|| references(a, b)),
        }
        if b.kind() == Kind::Fwd && kept < self.first {
            self.completes_base = true;
        }
        Some(none)
    }

    /// Takes the pairs of the last comparison, which succeeded, for the same types.
    pub(super) fn accept_pairs(&mut self) {
        for at in 0..self.paired.len() {
            let kept = self.resolve(self.paired[at]);
            let new = self.resolve(self.pairs[self.paired[at] as usize]);
            if kept == new || kept == 0 || new == 0 {
                continue;
            }
            let announced = |id: u32| self.types[id as usize].kind() == Kind::Fwd;
            match (announced(new), announced(kept)) {
                (true, false) => self.map[new as usize] = kept,
                // Also of the base, as announcements on top of it were mapped to it.
                (false, true) => self.map[kept as usize] = new,
                (false, false) if !self.completes_base => {
                    let composite =
                        matches!(self.types[kept as usize].kind(), Kind::Struct | Kind::Union);
                    // Only to what is decided to stay.
                    if composite && self.map[kept as usize] != UNDECIDED {
                        self.map[new as usize] = kept;
                    }
                }
                _ => {}
            }
        }
    }

    /// What an announcement stands for, if that is known; else the type itself.
    fn resolve_fwd(&self, id: u32) -> u32 {
        let is_fwd = |id: u32| self.types[id as usize].kind() == Kind::Fwd;
        match is_fwd(id).then(|| self.resolve(id)) {
            Some(resolved) if !is_fwd(resolved) => resolved,
            _ => id,
        }
    }

    /// Whether two types of the same unit are copies of each other, as far as one can see.
    fn is_identical(&self, a: u32, b: u32, depth: u32, looks: &mut u32) -> bool {
        if a == b {
            return true;
        }
        let (Some(depth), Some(left)) = (depth.checked_sub(1), looks.checked_sub(1)) else {
            return false;
        };
        *looks = left;
        if a == 0 || b == 0 {
            return false;
        }
        let (a, b) = (&self.types[a as usize], &self.types[b as usize]);
        same_except_references(a, b)
            && references(a, b)
                .into_iter()
                .all(|(a, b)| self.is_identical(a, b, depth, looks))
    }
}

/// Whether two types are equal, apart from the ids in them.
fn same_except_references(a: &Node, b: &Node) -> bool {
    match (a, b) {
        (Type::Struct(a), Type::Struct(b)) | (Type::Union(a), Type::Union(b)) => same_members(a, b),
        (Type::FuncProto(a), Type::FuncProto(b)) => {
            let names = |params: &[crate::Param<u32>]| params.iter().map(|p| p.name).collect();
            let (a, b): (Vec<u32>, Vec<u32>) = (names(&a.params), names(&b.params));
            a == b
        }
        (Type::Array(a), Type::Array(b)) => a.nelems == b.nelems,
        (Type::Ptr(_), Type::Ptr(_))
        | (Type::Const(_), Type::Const(_))
        | (Type::Volatile(_), Type::Volatile(_))
        | (Type::Restrict(_), Type::Restrict(_)) => true,
        (Type::Typedef(a), Type::Typedef(b)) => a.name == b.name,
        (Type::TypeTag(a), Type::TypeTag(b)) => (a.value, a.attribute) == (b.value, b.attribute),
        (Type::Func(a), Type::Func(b)) => (a.name, a.linkage) == (b.name, b.linkage),
        (Type::Int(_), Type::Int(_))
        | (Type::Float(_), Type::Float(_))
        | (Type::Fwd(_), Type::Fwd(_)) => a == b,
        (Type::Enum(_) | Type::Enum64(_), Type::Enum(_) | Type::Enum64(_)) => {
            a == b || is_announcement_of(a, b) || is_announcement_of(b, a)
        }
        // Nothing refers to the others.
        _ => false,
    }
}

/// The ids in two types that are otherwise equal, pair by pair.
fn references(a: &Node, b: &Node) -> Vec<(u32, u32)> {
    a.refs().into_iter().zip(b.refs()).collect()
}
