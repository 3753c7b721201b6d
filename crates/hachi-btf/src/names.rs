//! Finding types by name.

use std::ops::Range;

use crate::{Btf, Kind};

/// A name without its flavour: `task_struct` for `task_struct___old`, the name itself if it has
/// none. What follows the last `___` between two characters that are no underscores is a flavour
/// (libbpf's `bpf_core_essential_name_len`): CO-RE ignores it, so that an object can describe
/// several shapes of one kernel type.
pub fn essential_name(name: &str) -> &str {
    let len = essential_bytes(name.as_bytes()).len();
    // A flavour starts with an ASCII character, so this cuts between characters.
    name.get(..len).unwrap_or(name)
}

/// As [`essential_name`], of bytes that need not be text.
pub(crate) fn essential_bytes(name: &[u8]) -> &[u8] {
    // Hardly any name has a flavour, so look for the underscores first.
    if !may_have_flavour(name) {
        return name;
    }
    let at = (1..name.len().saturating_sub(3))
        .rev()
        .find(|&at| is_flavour(name, at));
    &name[..at.unwrap_or(name.len())]
}

fn is_flavour(name: &[u8], at: usize) -> bool {
    name[at..].starts_with(b"___") && name[at - 1] != b'_' && name[at + 3] != b'_'
}

/// The two groups of names. Programs ask often for few data types and rarely for functions, of
/// which a kernel has four times as many: so each group gets its index when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// Kinds that describe data.
    Data,
    /// Functions, variables, sections, tags.
    Code,
}

impl Group {
    pub(crate) fn of(kind: Kind) -> Option<Group> {
        Some(match kind {
            Kind::Int
            | Kind::Struct
            | Kind::Union
            | Kind::Enum
            | Kind::Fwd
            | Kind::Typedef
            | Kind::Float
            | Kind::Enum64 => Group::Data,
            Kind::Func | Kind::Var | Kind::DataSec | Kind::DeclTag | Kind::TypeTag => Group::Code,
            Kind::Ptr
            | Kind::Array
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::FuncProto => return None,
        })
    }
}

/// A hash table from essential names to positions of types.
#[derive(Debug, Clone)]
pub(crate) struct NameTable {
    /// Where each bucket's positions begin, and where the last one's end. One more than a power of
    /// two.
    starts: Box<[u32]>,
    /// Positions by bucket, ascending in each.
    positions: Box<[u32]>,
}

/// What a [`NameTable`] is made of: positions, ascending, and hashes of the essential names.
///
/// Two lists, and half of each hash, since a kernel has tens of thousands of names and this is the
/// most memory that a small loader takes at any time.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    positions: Vec<u32>,
    hashes: Vec<u16>,
}

impl Entries {
    /// For at most that many names. Lists that grow leave their smaller selves behind in the heap;
    /// memory that nobody writes costs nothing.
    pub(crate) fn at_most(len: usize) -> Entries {
        Entries {
            positions: Vec::with_capacity(len),
            hashes: Vec::with_capacity(len),
        }
    }

    pub(crate) fn push(&mut self, position: u32, name: &[u8]) {
        self.positions.push(position);
        self.hashes.push(essential_hash(name) as u16);
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, u16)> + '_ {
        let positions = self.positions.iter().copied();
        positions.zip(self.hashes.iter().copied())
    }
}

impl NameTable {
    pub(crate) fn new(entries: &Entries) -> NameTable {
        let len = entries.positions.len();
        // A bucket has two names on average.
        let buckets = (len / 2).next_power_of_two().min(1 << u16::BITS);
        let bucket = |hash: u16| usize::from(hash) & (buckets - 1);
        // First the ends; filling from behind makes them starts.
        let mut starts = vec![0u32; buckets + 1];
        for (_, hash) in entries.iter() {
            starts[bucket(hash)] += 1;
        }
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        let mut positions = vec![0; len];
        for (position, hash) in entries.iter().rev() {
            let start = &mut starts[bucket(hash)];
            *start -= 1;
            positions[*start as usize] = position;
        }
        NameTable {
            starts: starts.into_boxed_slice(),
            positions: positions.into_boxed_slice(),
        }
    }

    /// Positions of the types that may have this essential name, ascending.
    pub(crate) fn candidates(&self, essential: &str) -> &[u32] {
        let hash = hash(essential.as_bytes()) as u16;
        let bucket = usize::from(hash) & (self.starts.len() - 2);
        &self.positions[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }
}

/// A hash of a name without its flavour.
pub(crate) fn essential_hash(name: &[u8]) -> u32 {
    hash(essential_bytes(name))
}

/// Whether three underscores follow each other, eight bytes at a time.
fn may_have_flavour(name: &[u8]) -> bool {
    const UNDERSCORES: u64 = u64::from_ne_bytes([b'_'; 8]);
    let Some(last) = name.len().checked_sub(10) else {
        return name.windows(3).any(|three| three == b"___");
    };
    let found = |at: usize| {
        let differs = |at| word(name, at) ^ UNDERSCORES;
        has_zero(differs(at) | differs(at + 1) | differs(at + 2))
    };
    (0..last).step_by(8).any(found) || found(last)
}

/// Whether a byte of the word is zero.
fn has_zero(word: u64) -> bool {
    word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080 != 0
}

/// A hash of a name as it is. Kernels have a hundred thousand, so it takes eight bytes at a time;
/// the last word overlaps the one before.
fn hash(name: &[u8]) -> u32 {
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut state = name.len() as u64;
    match name.len().checked_sub(8) {
        Some(last) => {
            for at in (0..last).step_by(8) {
                state = mix(state, word(name, at));
            }
            state = mix(state, word(name, last));
        }
        None => {
            for &byte in name {
                state = state << 8 ^ state >> 56 ^ u64::from(byte);
            }
            state = mix(0, state);
        }
    }
    (state >> 32) as u32
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(|tail| tail.first_chunk());
    word.map_or(0, |word| u64::from_ne_bytes(*word))
}

/// The part of a sorted list of `len` names that starts with `prefix`; `name_at` gives them.
/// Sorted means bytewise, as Linux ≥ 7.0 sorts the types of its BTF.
pub(crate) fn prefixed<'n>(
    range: Range<u32>,
    prefix: &[u8],
    name_at: impl Fn(u32) -> &'n [u8],
) -> Range<u32> {
    let cut = |name: &[u8]| name[..name.len().min(prefix.len())].cmp(prefix);
    let start = partition(range.clone(), |at| cut(name_at(at)).is_lt());
    let end = partition(start..range.end, |at| cut(name_at(at)).is_le());
    start..end
}

/// The first of `range` for which `before` does not hold.
fn partition(range: Range<u32>, before: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        match before(middle) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}

impl Btf<'_> {
    /// All data types (INT, STRUCT, UNION, ENUM, FWD, TYPEDEF, FLOAT, ENUM64) whose name is `name`
    /// when flavours are ignored on both sides, the base's included, by ascending id. These are
    /// the candidates for a CO-RE relocation against a type of this name.
    ///
    /// What cannot be read is left out.
    pub fn candidates(&self, name: &str) -> Vec<u32> {
        let wanted = essential_name(name);
        let mut ids = self
            .base
            .map_or_else(Vec::new, |base| base.candidates(name));
        if wanted.is_empty() {
            return ids;
        }
        let own = self.positions(wanted, Group::Data).into_iter();
        ids.extend(own.filter_map(|position| {
            let (kind, found) = self.kind_and_name(position)?;
            (Group::of(kind) == Some(Group::Data) && essential_name(found) == wanted)
                .then_some(self.first_id() + position)
        }));
        ids
    }

    /// As [`Types::find`](crate::Types::find), among the types of this part alone.
    pub fn find_own(&self, name: &str, kind: Kind) -> Option<u32> {
        let position = match Group::of(kind).filter(|_| !name.is_empty()) {
            Some(group) => {
                let positions = self.positions(essential_name(name), group);
                positions
                    .into_iter()
                    .find(|&at| self.kind_and_name(at) == Some((kind, name)))?
            }
            // Without a name there is no index.
            None => (0..self.own_len()).find(|&at| self.kind_and_name(at) == Some((kind, name)))?,
        };
        Some(self.first_id() + position)
    }

    /// Positions in this part of types that may have this essential name, ascending.
    fn positions(&self, essential: &str, group: Group) -> Vec<u32> {
        // To know that all names are sorted one must have read them all, which takes longer than
        // to index the few data types.
        if group == Group::Code
            && let Some(named) = self.sorted()
        {
            let name_at = |at| self.name_bytes_at(at);
            let all = prefixed(named, essential.as_bytes(), name_at);
            // Among those that start like it, the name itself comes first; flavours follow.
            let flavour = [essential.as_bytes(), b"___"].concat();
            let same = prefixed(all.clone(), &flavour, name_at);
            let end = partition(all.clone(), |at| name_at(at).len() == essential.len());
            return (all.start..end).chain(same).collect();
        }
        self.name_table(group).candidates(essential).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flavours_are_cut() {
        for (name, essential) in [
            ("task_struct", "task_struct"),
            ("task_struct___old", "task_struct"),
            ("task___a___b", "task___a"),
            ("___x", "___x"),
            ("a___", "a___"),
            ("a____b", "a____b"),
            ("a___b_", "a"),
            ("", ""),
            ("é___ü", "é"),
            ("a_name_of_some_length", "a_name_of_some_length"),
            ("a_name_of_some_length___1", "a_name_of_some_length"),
            ("a_longer_name___x", "a_longer_name"),
        ] {
            assert_eq!(essential_name(name), essential);
            let bytes = name.as_bytes();
            assert_eq!(essential_hash(bytes), hash(essential.as_bytes()), "{name}");
            assert_eq!(may_have_flavour(bytes), name.contains("___"), "{name}");
        }
    }

    #[test]
    fn prefixes_in_sorted_names() {
        let names = ["", "a", "ab", "ab", "ab___x", "abc", "b"];
        let at = |i: u32| names[i as usize].as_bytes();
        assert_eq!(prefixed(0..7, b"ab", at), 2..6);
        assert_eq!(prefixed(0..7, b"ab___", at), 4..5);
        assert_eq!(prefixed(0..7, b"c", at), 7..7);
        assert_eq!(prefixed(1..1, b"a", at), 1..1);
    }
}
