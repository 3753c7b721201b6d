//! Keeping `.BTF` small: types nobody refers to go, and equal ones become one.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use hachi_btf::{BtfBuilder, Type};

use super::states::Shown;

impl Shown {
    /// Removes what is not reachable from functions, statics, externs and CO-RE records, and
    /// numbers again.
    pub(super) fn prune_types(&mut self) {
        let mut roots: HashSet<u32> = HashSet::new();
        self.each_type_id(|id| {
            roots.insert(*id);
        });
        let mut live = roots.clone();
        // Tags point at what they describe, not the other way round; they stay with it.
        let tags: Vec<(u32, u32)> = self
            .0
            .btf
            .iter()
            .filter_map(|(id, ty)| match ty {
                Type::DeclTag(tag) => Some((id, tag.type_id)),
                _ => None,
            })
            .collect();
        if !tags.is_empty() {
            reach(&self.0.btf, &mut live);
            roots.extend(tags.iter().filter(|(_, to)| live.contains(to)).map(|t| t.0));
        }
        let map = self.0.btf.retain(|id, _| roots.contains(&id));
        self.each_type_id(|id| *id = map.get(*id as usize).copied().unwrap_or(0));
    }

    /// Makes one of types that are equal, what they refer to included.
    pub(super) fn merge_equal_types(&mut self) {
        let classes = classes(&self.0.btf);
        // The first of each class stands for all.
        let mut first: HashMap<u64, u32> = HashMap::new();
        let mut map = vec![0; classes.len()];
        for (at, class) in classes.iter().enumerate().skip(1) {
            map[at] = *first.entry(*class).or_insert(at as u32);
        }
        let target = |id: u32| map.get(id as usize).copied().unwrap_or(0);
        self.0.btf.map_refs(target);
        self.each_type_id(|id| *id = target(*id));
        self.prune_types();
    }

    /// All numbers of types outside of `.BTF` itself.
    fn each_type_id(&mut self, mut f: impl FnMut(&mut u32)) {
        for bound in self.0.vars.iter_mut().chain(&mut self.0.funcs) {
            f(&mut bound.type_id);
        }
        for wanted in &mut self.0.externs {
            f(&mut wanted.type_id);
        }
        for relo in self.0.sections.iter_mut().flat_map(|s| &mut s.core) {
            f(&mut relo.type_id);
        }
    }
}

/// Adds all types that those in `live` refer to.
fn reach(btf: &BtfBuilder, live: &mut HashSet<u32>) {
    let mut todo: Vec<u32> = live.iter().copied().collect();
    while let Some(id) = todo.pop() {
        if let Some(ty) = btf.get(id) {
            // The only way to see references is to borrow them for a change.
            ty.clone().for_each_ref(|to| {
                if live.insert(*to) {
                    todo.push(*to);
                }
            });
        }
    }
}

/// A number for each type, the same for types that cannot be distinguished.
///
/// Types refer to each other in circles, so this starts by what each says by itself and divides the
/// classes by what their members refer to, until nothing changes.
fn classes(btf: &BtfBuilder) -> Vec<u64> {
    let count = btf.len() + 1;
    let mut classes = vec![0u64; count];
    let mut refs: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (id, ty) in btf.iter() {
        let at = id as usize;
        let mut own = ty.clone();
        own.for_each_ref(|to| refs[at].push(std::mem::take(to)));
        let mut hasher = DefaultHasher::new();
        own.hash(&mut hasher);
        // Each function and static is itself, however like another.
        if matches!(ty, Type::Func(_) | Type::Var(_) | Type::DataSec(_)) {
            id.hash(&mut hasher);
        }
        classes[at] = hasher.finish() | 1;
    }
    let distinct = |classes: &[u64]| classes.iter().collect::<HashSet<_>>().len();
    let mut number = distinct(&classes);
    loop {
        let next: Vec<u64> = (0..count)
            .map(|at| {
                if at == 0 {
                    return 0;
                }
                let mut hasher = DefaultHasher::new();
                classes[at].hash(&mut hasher);
                for &to in &refs[at] {
                    classes.get(to as usize).hash(&mut hasher);
                }
                hasher.finish() | 1
            })
            .collect();
        let now = distinct(&next);
        classes = next;
        if now == number {
            return classes;
        }
        number = now;
    }
}

#[cfg(test)]
mod tests {
    use hachi_btf::{Composite, Member, Ptr};

    use super::*;

    /// `struct <name> { struct <name> *next; }`, at the end.
    fn add_list(btf: &mut BtfBuilder, name: &str, member: &str) -> u32 {
        let id = btf.len() as u32 + 1;
        btf.add(Type::Struct(Composite {
            name: name.into(),
            size: 8,
            members: vec![Member {
                name: member.into(),
                type_id: id + 1,
                bit_offset: 0,
                bit_size: 0,
            }],
        }));
        btf.add(Type::Ptr(Ptr { type_id: id }));
        id
    }

    #[test]
    fn circles_are_compared_as_a_whole() {
        let mut btf = BtfBuilder::new();
        let a = add_list(&mut btf, "list", "next") as usize;
        let b = add_list(&mut btf, "list", "next") as usize;
        let c = add_list(&mut btf, "list", "prev") as usize;
        let d = add_list(&mut btf, "queue", "next") as usize;
        let classes = classes(&btf);
        assert_eq!(classes[a], classes[b]);
        assert_eq!(classes[a + 1], classes[b + 1]);
        assert_ne!(classes[a], classes[c]);
        assert_ne!(classes[a + 1], classes[c + 1]);
        assert_ne!(classes[a], classes[d]);
    }
}
