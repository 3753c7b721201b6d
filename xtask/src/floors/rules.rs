//! What imports may do.

use super::imports::{Import, Kind};
use std::collections::{BTreeMap, BTreeSet};

/// The floors of a crate's files.
pub struct House {
    /// From the ground up: a floor's name and its files. `links/` stands for all below it; of two
    /// entries that fit a file, the longer counts.
    pub floors: &'static [(&'static str, &'static [&'static str])],
    /// Files of one floor that import each other, and why.
    pub pairs: &'static [(&'static str, &'static str, &'static str)],
}

impl House {
    /// What is wrong, one line each. `files` are those of the crate.
    pub fn check<'f>(
        &self,
        files: impl Iterator<Item = &'f String> + Clone,
        imports: &[Import],
    ) -> Vec<String> {
        let mut problems = Vec::new();
        for file in files.clone() {
            if self.floor(file).is_none() {
                problems.push(format!("{file} is on no floor: add it to the table"));
            }
        }
        for (name, entries) in self.floors {
            for entry in *entries {
                if !files.clone().any(|file| fits(entry, file)) {
                    problems.push(format!(
                        "the table of floors has {entry:?} on floor {name:?}, which is no file"
                    ));
                }
            }
        }
        for import in imports {
            if let (Some(from), Some(to)) = (self.floor(&import.from), self.floor(&import.to))
                && from < to
            {
                problems.push(format!(
                    "{}:{}: `{}` runs up, from floor {:?} to {} on floor {:?}",
                    import.from,
                    import.line,
                    import.path,
                    self.floors[from].0,
                    import.to,
                    self.floors[to].0,
                ));
            }
        }
        let mut needs: BTreeMap<(&str, &str), &Import> = BTreeMap::new();
        for import in imports.iter().filter(|import| import.kind == Kind::Need) {
            needs.entry((&import.from, &import.to)).or_insert(import);
        }
        for (one, other, _) in self.pairs {
            if self.floor(one) != self.floor(other) {
                problems.push(format!("the pair of {one} and {other} is not on one floor"));
            }
            let here = needs.remove(&(*one, *other));
            let there = needs.remove(&(*other, *one));
            if here.is_none() || there.is_none() {
                problems.push(format!(
                    "{one} and {other} do not import each other: take them off the list of pairs"
                ));
            }
        }
        problems.extend(circles(&needs));
        problems
    }

    /// The number of a file's floor.
    fn floor(&self, file: &str) -> Option<usize> {
        let mut best: Option<(usize, usize)> = None;
        for (number, (_, entries)) in self.floors.iter().enumerate() {
            for entry in entries.iter().filter(|entry| fits(entry, file)) {
                if best.is_none_or(|(length, _)| entry.len() > length) {
                    best = Some((entry.len(), number));
                }
            }
        }
        best.map(|(_, number)| number)
    }
}

fn fits(entry: &str, file: &str) -> bool {
    entry == file || entry.ends_with('/') && file.starts_with(entry)
}

/// One line for each group of files that import each other in a circle.
fn circles(needs: &BTreeMap<(&str, &str), &Import>) -> Vec<String> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in needs.keys() {
        next.entry(from).or_default().push(to);
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> = next
        .keys()
        .map(|from| {
            let mut seen = BTreeSet::new();
            let mut open = vec![*from];
            while let Some(at) = open.pop() {
                let unseen = next.get(at).into_iter().flatten();
                open.extend(unseen.filter(|to| seen.insert(**to)));
            }
            (*from, seen)
        })
        .collect();
    let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|seen| seen.contains(to));
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut lines = Vec::new();
    for from in next.keys() {
        if !reaches(from, from) || told.contains(from) {
            continue;
        }
        let group: BTreeSet<&str> = reach[from]
            .iter()
            .copied()
            .filter(|to| reaches(to, from))
            .collect();
        told.extend(&group);
        let inside: Vec<String> = needs
            .iter()
            .filter(|((from, to), _)| group.contains(from) && group.contains(to))
            .map(|((from, to), import)| {
                format!("\n    {from}:{}: `{}` ({to})", import.line, import.path)
            })
            .collect();
        lines.push(format!(
            "{} files import each other in a circle:{}",
            group.len(),
            inside.concat()
        ));
    }
    lines
}
