//! CO-RE: what a record of `.BTF.ext` becomes on a kernel with given types.
//!
//! The rules are libbpf's (`relo_core.c` of libbpf 1.7), to the same answer in every case:
//!
//! 1. **Candidates.** Types of the kernel with the same kind and the same *essential* name as the
//!    record's root type; all from the last `___` on is a *flavour* and does not count. Modules are
//!    searched only if vmlinux has none. ([`Btf::candidates`])
//! 2. **Matching.** The record's access path is walked by the names of fields in each candidate,
//!    looking into members without a name, with the kinds of fields compared at each step.
//! 3. **Agreement.** All candidates that match must give the same answer; otherwise it is an error.
//!    Candidates that did not match one access of a root type are not asked again about it.
//!
//! [`Resolver`] does this for the records of one program. The outcome is a [`Value`], or
//! [`Missing`], which says in words what the kernel does not have; the instruction is then
//! *poisoned*, and the verifier refuses it if it can be reached.

mod access;
mod error;
mod field;
mod kinds;
mod matches;
#[cfg(feature = "edit")]
mod min;
mod mismatch;
mod node;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use self::access::Access;
pub use self::error::{CoreError, Missing, NoAnswer, Reason, RecordFault};
pub use self::kinds::declarations_agree;
#[cfg(feature = "edit")]
pub use self::min::Minimizer;
use self::node::{Budget, Node, text};
pub use self::value::Value;
use crate::Btf;
use crate::ext::{CoreRelo, CoreReloKind};

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is an answer.
    Value(Value),
    /// There is none; the instruction is to be poisoned.
    Missing(Missing),
}

/// What a record asks about, as it would be written in C: `task_struct.comm[3]`,
/// `struct sk_buff`, `enum bpf_map_type::BPF_MAP_TYPE_HASH`. Flavours are left out.
///
/// # Errors
/// If the record makes no sense in the object's own types.
pub fn subject(local: &Btf<'_>, relo: CoreRelo<&str>) -> Result<String, CoreError> {
    Ok(Access::parse(local, relo)?.describe())
}

/// Resolves the records of one program, in order.
pub struct Resolver<'l, 't> {
    local: &'l Btf<'l>,
    kernel: Option<&'t Btf<'t>>,
    modules: Modules<'l, 't>,
    /// Candidates by local root type, without those that did not match before.
    left: HashMap<u32, Vec<Candidate<'t>>>,
}

/// A type that may be what a record means.
#[derive(Clone, Copy)]
struct Candidate<'t> {
    btf: &'t Btf<'t>,
    id: u32,
}

/// Gives the types of the kernel's modules, each on top of the kernel's own. Called only when the
/// kernel itself lacks a type.
pub type Modules<'m, 't> = &'m dyn Fn() -> Vec<&'t Btf<'t>>;

impl<'l, 't> Resolver<'l, 't> {
    /// For records that refer to `local`. Without a `kernel`, none has the types asked for.
    pub fn new(local: &'l Btf<'l>, kernel: Option<&'t Btf<'t>>, modules: Modules<'l, 't>) -> Self {
        Resolver {
            local,
            kernel,
            modules,
            left: HashMap::new(),
        }
    }

    /// Resolves one record.
    ///
    /// # Errors
    /// If the record makes no sense in the object's own types, the candidates disagree, or types
    /// are malformed.
    pub fn resolve(&mut self, relo: CoreRelo<&str>) -> Result<Outcome, CoreError> {
        let access = Access::parse(self.local, relo)?;
        if relo.kind == CoreReloKind::TypeIdLocal {
            return Ok(Outcome::Value(value::plain(
                relo.type_id.into(),
                relo.type_id.into(),
                false,
            )));
        }
        let root = Node::at(self.local, relo.type_id)?;
        if root.name(self.local).is_empty() {
            return Err(CoreError::Anonymous {
                kind: relo.kind,
                id: relo.type_id,
            });
        }
        let left = match self.left.entry(relo.type_id) {
            Entry::Occupied(left) => left.into_mut(),
            Entry::Vacant(new) => {
                new.insert(candidates(self.local, self.kernel, self.modules, &root))
            }
        };
        let mut budget = Budget::default();
        let mut matching: Vec<Candidate<'t>> = Vec::new();
        let mut agreed: Option<(u32, Value)> = None;
        let mut why_not = None;
        for &candidate in &*left {
            let found = match field::walk(&access, candidate.btf, candidate.id, &mut budget)? {
                Ok(found) => found,
                Err(mismatch) => {
                    why_not.get_or_insert((candidate.btf, mismatch));
                    continue;
                }
            };
            let value = value::found(&access, &found)?;
            let (bit_offset, first) = *agreed.get_or_insert((found.bit_offset, value));
            if bit_offset != found.bit_offset || first.target != value.target {
                return Err(CoreError::Ambiguous {
                    what: access.describe(),
                    kind: relo.kind,
                    first: first.target,
                    second: value.target,
                });
            }
            matching.push(candidate);
        }
        if let Some((_, value)) = agreed {
            *left = matching;
            return Ok(Outcome::Value(value));
        }
        if let Some(value) = value::absent(&access)? {
            return Ok(Outcome::Value(value));
        }
        Ok(Outcome::Missing(Missing {
            what: access.describe(),
            kind: relo.kind,
            reason: match why_not {
                None => Reason::NoType,
                Some((target, mismatch)) => mismatch.reason(&access, target),
            },
        }))
    }

    /// What to say of a record whose value cannot be used, for `reason`.
    ///
    /// # Errors
    /// As [`Resolver::resolve`].
    pub fn missing(&self, relo: CoreRelo<&str>, reason: Reason) -> Result<Missing, CoreError> {
        Ok(Missing {
            what: Access::parse(self.local, relo)?.describe(),
            kind: relo.kind,
            reason,
        })
    }
}

/// Types with the name and kind of `root`, a type of `local`: the kernel's, or else all modules'.
fn candidates<'t>(
    local: &Btf<'_>,
    kernel: Option<&'t Btf<'t>>,
    modules: Modules<'_, 't>,
    root: &Node<'_>,
) -> Vec<Candidate<'t>> {
    let of = |btf: &'t Btf<'t>| {
        let ids = candidates_in(btf, local, root).into_iter();
        ids.map(move |id| Candidate { btf, id })
    };
    let Some(kernel) = kernel else {
        return Vec::new();
    };
    let found: Vec<_> = of(kernel).collect();
    match found.is_empty() {
        true => modules().into_iter().flat_map(of).collect(),
        false => found,
    }
}

/// Types of `btf` with the name and kind of `root`, a type of `local`.
fn candidates_in(btf: &Btf<'_>, local: &Btf<'_>, root: &Node<'_>) -> Vec<u32> {
    let mut ids = btf.candidates(&text(root.name(local)));
    ids.retain(|&id| Node::at(btf, id).is_ok_and(|node| node.same_kind(root)));
    ids
}
