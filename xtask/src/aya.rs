//! The names of Aya's public API, and which of them the façades have.
//!
//! `tests/aya/names` has the names of Aya 0.14 and aya-ebpf 0.2. Each is in the façade, or
//! `docs/aya.md` says that it is missing; and it says so of no other.

use crate::shell::{Result, root, target_dir};
use crate::signatures;
use std::collections::BTreeSet;
use std::fs;

/// A façade, the file of the names it stands in for, and the crates behind it, whose types it hands
/// on or derefs to.
const FACADES: [(&str, &str, &[&str]); 2] = [
    ("hachi-aya", "aya", &["hachi", "hachi-common"]),
    ("hachi-aya-ebpf", "aya-ebpf", &["hachi-ebpf"]),
];

/// The functions that have another signature here, or none.
const DIFFERENT: &str = "tests/aya/signatures/different.txt";

/// Under this heading `docs/aya.md` lists what is missing, as code.
const HEADING: &str = "## What is missing";

/// Checks the list in `docs/aya.md`; gives how many names there are, and how many are there.
pub fn check() -> Result<String> {
    let page = fs::read_to_string(root().join("docs/aya.md"))?;
    let listed = listed(&page).ok_or_else(|| format!("docs/aya.md has no `{HEADING}`"))?;
    let mut unlisted = Vec::new();
    let mut needed = BTreeSet::new();
    let mut counts = Vec::new();
    for (facade, names, behind) in FACADES {
        let wanted = fs::read_to_string(
            root()
                .join("tests/aya/names")
                .join(names)
                .with_extension("txt"),
        )?;
        let wanted: Vec<&str> = wanted.lines().collect();
        let mut types = BTreeSet::new();
        for name in behind {
            types.append(&mut api(name)?);
        }
        let missing = missing(&wanted, &api(facade)?, &types);
        counts.push(format!(
            "{names} {} of {}",
            wanted.len() - missing.len(),
            wanted.len()
        ));
        for name in missing {
            match listed.iter().find(|entry| covers(entry, name)) {
                Some(entry) => drop(needed.insert(entry.clone())),
                None => unlisted.push(format!("{names}: {name}")),
            }
        }
    }
    let mut different = String::new();
    for (facade, names, behind) in FACADES {
        let crates: Vec<&str> = std::iter::once(facade)
            .chain(behind.iter().copied())
            .collect();
        let compared = signatures::compare(names, &crates)?;
        let same = compared.all - compared.other.len();
        let sentence = format!("{same} of {} functions of `{names}`", compared.all);
        if !page.contains(&sentence) {
            return Err(format!("docs/aya.md does not say: {sentence}").into());
        }
        counts.push(sentence);
        for signature in compared.other {
            different.push_str(&format!("{names}: {signature}\n"));
        }
    }
    let list = root().join(DIFFERENT);
    if fs::read_to_string(&list).unwrap_or_default() != different {
        let made = target_dir().join("aya-different.txt");
        fs::write(&made, different)?;
        return Err(format!("{DIFFERENT} is not what {} has", made.display()).into());
    }
    let stale: Vec<&String> = listed.difference(&needed).collect();
    if !unlisted.is_empty() || !stale.is_empty() {
        return Err(format!(
            "docs/aya.md, `{HEADING}`: not listed: {unlisted:#?}; listed and not missing: {stale:?}"
        )
        .into());
    }
    Ok(counts.join(", "))
}

/// Whether an entry, the end of a path, means this name or something in it.
fn covers(entry: &str, name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let entry: Vec<&str> = entry.split("::").collect();
    parts.windows(entry.len()).any(|window| window == entry)
}

/// The code in the list under the heading.
fn listed(page: &str) -> Option<BTreeSet<String>> {
    let (_, list) = page.split_once(HEADING)?;
    let list = list.split_once("\n## ").map_or(list, |(list, _)| list);
    let (_, list) = list.split_once("\n- ")?;
    Some(
        list.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect(),
    )
}

/// The lines of `docs/api` of a crate.
fn api(name: &str) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(root().join("docs/api").join(format!("{name}.txt")))?;
    let prefix = format!("{}::", name.replace('-', "_"));
    let names = text.lines().filter_map(path);
    Ok(names
        .filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned))
        .collect())
}

/// The path of the item that a line of `docs/api` is about, without generic arguments.
fn path(line: &str) -> Option<String> {
    let line = line.trim();
    let at = line.find("pub ")?;
    if !line[..at].chars().all(|c| !c.is_alphanumeric()) && !line.starts_with("#[") {
        return None;
    }
    const WORDS: [&str; 14] = [
        "const", "unsafe", "async", "static", "mod", "struct", "enum", "union", "trait", "fn",
        "type", "use", "macro", "extern",
    ];
    let mut rest = &line[at + 4..];
    while let Some((word, after)) = rest.split_once(' ') {
        if !WORDS.contains(&word) && !word.starts_with('"') {
            break;
        }
        rest = after;
    }
    let mut path = String::new();
    let mut depth = 0;
    let mut before = ' ';
    for (at, c) in rest.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            // `!` ends the name of a macro.
            '(' | ' ' | '=' | '!' if depth == 0 => break,
            ':' if depth == 0 && rest[at..].starts_with(": ") => break,
            _ if depth == 0 => path.push(c),
            _ => {}
        }
        before = c;
    }
    Some(path)
}

/// The names that neither the façade nor the type of the same name behind it has.
fn missing<'a>(
    wanted: &[&'a str],
    own: &BTreeSet<String>,
    behind: &BTreeSet<String>,
) -> Vec<&'a str> {
    let ends: BTreeSet<&str> = own.iter().chain(behind).map(|name| end(name)).collect();
    let is_type = |name: &str| name.starts_with(|c: char| c.is_uppercase());
    let has = |name: &&str| {
        let mut parts = name.rsplit("::");
        parts.next();
        // Of a type, whatever module it is found in.
        let of_type = parts.next().is_some_and(is_type);
        own.contains(*name) || of_type && ends.contains(end(name))
    };
    wanted.iter().copied().filter(|name| !has(name)).collect()
}

/// The last two parts of a path.
fn end(name: &str) -> &str {
    let mut starts = name.rmatch_indices("::").map(|(at, _)| at + 2);
    starts.nth(1).map_or(name, |at| &name[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_lists_are_understood() {
        for (line, expected) in [
            (
                "pub fn a::b::C<T, U>::get(&self, &K) -> u8",
                Some("a::b::C::get"),
            ),
            ("#[repr(C)] pub struct a::C<T: X<u8>>", Some("a::C")),
            ("pub a::E::V::field: u32", Some("a::E::V::field")),
            ("pub const unsafe fn a::f(fn() -> u8)", Some("a::f")),
            ("impl a::C", None),
        ] {
            assert_eq!(path(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn missing_names_are_distinguished_from_inherited_ones() {
        let own = BTreeSet::from(["m::C".to_owned()]);
        let behind = BTreeSet::from(["x::C::get".to_owned()]);
        assert_eq!(
            missing(&["m::C", "m::C::get", "m::C::set", "m::f"], &own, &behind),
            ["m::C::set", "m::f"]
        );
        assert!(covers("unpin", "m::C::unpin") && covers("C::unpin", "m::C::unpin"));
        assert!(!covers("pin", "m::C::unpin"));
    }
}
