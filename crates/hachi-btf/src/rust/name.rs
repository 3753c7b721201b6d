//! What things are called in Rust.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use super::scalars::SCALARS;

/// Words that a raw identifier may be, and that need to be one.
const KEYWORDS: [&str; 48] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// Words that no identifier can be.
const FORBIDDEN: [&str; 5] = ["self", "Self", "super", "crate", "_"];

/// The identifiers that are given away in one place.
#[derive(Debug, Default)]
pub(super) struct Taken {
    names: BTreeSet<String>,
    /// The number to try next for a name that is taken: of many equal names, each looks once.
    numbers: HashMap<String, u32>,
}

impl Taken {
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Takes the name, or the first of `name_2`, `name_3`, … that is free.
    fn free(&mut self, name: String) -> String {
        if self.names.insert(name.clone()) {
            return name;
        }
        let number = self.numbers.entry(name.clone()).or_insert(2);
        loop {
            let numbered = format!("{name}_{number}");
            *number += 1;
            if self.names.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

impl Extend<String> for Taken {
    fn extend<T: IntoIterator<Item = String>>(&mut self, names: T) {
        self.names.extend(names);
    }
}

/// An identifier, and the kernel's name if that is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ident {
    pub text: String,
    /// As the linker reads it in a symbol.
    pub kernel: Option<String>,
}

impl Ident {
    /// For a name that is unique in its place, or made so with `suffix`.
    pub fn new(name: &str, taken: &mut Taken, suffix: &str) -> Ident {
        let mut text: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
            text.insert(0, '_');
        }
        if FORBIDDEN.contains(&text.as_str()) || SCALARS.contains(&text.as_str()) {
            text.push('_');
        }
        if taken.contains(&text) {
            text.push_str(suffix);
        }
        let mut text = taken.free(text);
        let kernel = (text != name).then(|| escaped(name));
        if KEYWORDS.contains(&text.as_str()) {
            text.insert_str(0, "r#");
        }
        Ident { text, kernel }
    }

    /// The attribute that tells the kernel's name, if one is needed.
    pub fn attribute(&self, indent: &str) -> String {
        match &self.kernel {
            Some(name) => format!("{indent}#[name = \"{name}\"]\n"),
            None => String::new(),
        }
    }
}

/// A name as it is written in a symbol.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'0'..=b'9' if at > 0 => text.push(byte.into()),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => text.push(byte.into()),
            _ => {
                let _ = write!(text, "%{byte:02x}");
            }
        }
    }
    text
}

/// How far `found` is from `wanted`, if it is near: the number of characters to change, or how much
/// there is around it.
pub(super) fn distance(wanted: &str, found: &str) -> Option<usize> {
    let wanted = wanted.trim_matches(['*', '?']);
    if wanted.is_empty() {
        return None;
    }
    let limit = wanted.len() / 3 + 1;
    if wanted.len().abs_diff(found.len()) <= limit {
        let changes = changes(wanted.as_bytes(), found.as_bytes());
        if changes <= limit {
            return Some(changes);
        }
    }
    // Part of a name: good, but not as good as a slip.
    let inside = wanted.len() >= 4 && found.contains(wanted);
    inside.then(|| limit + found.len() - wanted.len())
}

/// Levenshtein's distance.
fn changes(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        let mut taken = Taken::default();
        let mut ident = |name: &str| Ident::new(name, &mut taken, "_union");
        let plain = |text: &str| Ident {
            text: text.into(),
            kernel: None,
        };
        let renamed = |text: &str, kernel: &str| Ident {
            text: text.into(),
            kernel: Some(kernel.into()),
        };
        assert_eq!(ident("pid"), plain("pid"));
        assert_eq!(ident("type"), plain("r#type"));
        assert_eq!(ident("self"), renamed("self_", "self"));
        assert_eq!(ident("pid"), renamed("pid_union", "pid"));
        assert_eq!(ident("pid"), renamed("pid_union_2", "pid"));
        assert_eq!(ident("Vec<u8>"), renamed("Vec_u8_", "Vec%3cu8%3e"));
        assert_eq!(ident("2d"), renamed("_2d", "%32d"));
    }

    /// As many as a hostile file can hold. Looking at each number again would take hours.
    #[test]
    fn many_equal_names_are_numbered_in_one_go() {
        let mut taken = Taken::default();
        for number in 0..200_000 {
            let ident = Ident::new("S", &mut taken, "_struct");
            let expected = match number {
                0 => "S".to_owned(),
                1 => "S_struct".to_owned(),
                _ => format!("S_struct_{number}"),
            };
            assert_eq!(ident.text, expected);
        }
    }

    #[test]
    fn near_names() {
        assert_eq!(distance("task_strct", "task_struct"), Some(1));
        assert_eq!(distance("task_struct", "sock"), None);
        assert!(distance("congestion", "tcp_congestion_ops").is_some());
        assert_eq!(distance("*", "sock"), None);
    }
}
