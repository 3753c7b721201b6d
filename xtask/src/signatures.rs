//! The functions of Aya's public API, and which of them the façades have with the same signature.
//!
//! `tests/aya/signatures` is made from the pinned versions of Aya's crates by `cargo xtask aya`,
//! which fetches them.

use crate::api::{api_tool, rustdoc};
use crate::shell::{Result, capture, cargo, root, target_dir};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The versions whose API the façades have.
const PINNED: [(&str, &str); 2] = [("aya", "0.14.0"), ("aya-ebpf", "0.2.1")];

/// Methods of the standard library's traits. The lines of their `impl`s say that they are there,
/// and who wrote the trait into them says how the types in them are spelt.
const OF_TRAITS: [&str; 19] = [
    "as_fd",
    "as_raw_fd",
    "borrow",
    "default",
    "deref",
    "deref_mut",
    "drop",
    "eq",
    "equivalent",
    "fmt",
    "from",
    "hash",
    "index",
    "into_iter",
    "into_raw_fd",
    "next",
    "source",
    "try_from",
    "from_str",
];

/// Where the list of a crate's signatures is.
fn file(name: &str) -> PathBuf {
    let directory = root().join("tests/aya/signatures");
    directory.join(name).with_extension("txt")
}

/// What a façade has, next to what it should have.
#[derive(Debug)]
pub struct Compared {
    /// How many functions there are.
    pub all: usize,
    /// Signatures that the façade does not have.
    pub other: Vec<String>,
}

/// Compares the functions of one of Aya's crates with `docs/api` of these.
pub fn compare(name: &str, crates: &[&str]) -> Result<Compared> {
    let wanted = fs::read_to_string(file(name))?;
    let mut have = BTreeSet::new();
    for crate_name in crates {
        let list = root().join("docs/api").join(format!("{crate_name}.txt"));
        have.extend(fs::read_to_string(list)?.lines().filter_map(signature));
    }
    let other: Vec<String> = wanted
        .lines()
        .filter(|line| !have.contains(*line) && !of_all(line).is_some_and(|of| have.contains(&of)))
        .map(str::to_owned)
        .collect();
    let all = wanted.lines().count();
    Ok(Compared { all, other })
}

/// As an implementation for all types of a kind has it: `fn C::name(…`.
fn of_all(line: &str) -> Option<String> {
    let (start, name) = line.split_once("::")?;
    let words = start.rsplit_once(' ')?.0;
    Some(format!("{words} C::{name}"))
}

/// Fetches Aya's crates and writes the lists again.
pub fn write() -> Result {
    let directory = target_dir().join("aya-api");
    fs::create_dir_all(directory.join("src"))?;
    let mut manifest = "[workspace]\n[package]\nname = \"aya-api\"\nversion = \"0.0.0\"\n\
                        edition = \"2024\"\n[dependencies]\n"
        .to_owned();
    for (name, version) in PINNED {
        manifest.push_str(&format!("{name} = \"={version}\"\n"));
    }
    fs::write(directory.join("Cargo.toml"), manifest)?;
    fs::write(directory.join("src/lib.rs"), "")?;
    let mut doc = cargo(&directory);
    doc.args(["doc", "--quiet", "--no-deps", "--ignore-rust-version"]);
    for (name, version) in PINNED {
        doc.args(["--package", &format!("{name}@{version}")]);
    }
    doc.env("CARGO_TARGET_DIR", directory.join("target"))
        .env("RUSTDOC", rustdoc()?)
        .env(
            "RUSTDOCFLAGS",
            "-Zunstable-options --output-format=json --cap-lints=allow",
        );
    capture(&mut doc)?;
    let tool = api_tool()?;
    for (name, _) in PINNED {
        let json = format!("target/doc/{}.json", name.replace('-', "_"));
        let list = capture(Command::new(&tool).arg(directory.join(json)))?;
        let signatures: BTreeSet<String> = list.lines().filter_map(signature).collect();
        let mut text = String::new();
        for signature in signatures {
            text.push_str(&signature);
            text.push('\n');
        }
        fs::create_dir_all(root().join("tests/aya/signatures"))?;
        fs::write(file(name), text)?;
    }
    Ok(())
}

/// The function that a line of `docs/api` is about, without what no caller sees: modules and
/// crates of the types, lifetimes without a name, whether it is `const`.
fn signature(line: &str) -> Option<String> {
    let mut rest = line.trim();
    while let Some(attribute) = rest.strip_prefix("#[") {
        rest = attribute.split_once("] ")?.1;
    }
    rest = rest.strip_prefix("pub ")?;
    let mut words = String::new();
    loop {
        let (word, after) = rest.split_once(' ')?;
        rest = after;
        match word {
            "fn" => break,
            "const" | "async" => {}
            "unsafe" | "extern" => {
                words.push_str(word);
                words.push(' ');
            }
            _ if word.starts_with('"') => {}
            _ => return None,
        }
    }
    let (path, generics, rest) = split(rest)?;
    let mut parts = path.rsplit("::");
    let name = parts.next()?;
    if OF_TRAITS.contains(&name) {
        return None;
    }
    let of = parts
        .next()
        .filter(|of| of.starts_with(|c: char| c.is_uppercase()));
    let of = of.map(|of| format!("{of}::")).unwrap_or_default();
    let text = format!("{words}fn {of}{name}{generics}{rest}");
    Some(plain(&text))
}

/// The path without the arguments of its types, the function's own generics, and the rest.
fn split(text: &str) -> Option<(String, &str, &str)> {
    let mut path = String::new();
    let mut depth = 0;
    let mut opened = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' => {
                if depth == 0 {
                    opened = at;
                }
                depth += 1;
            }
            '>' if before != '-' => depth -= 1,
            '(' if depth == 0 => {
                let has_generics = before == '>';
                let from = if has_generics { opened } else { at };
                return Some((path, &text[from..at], &text[at..]));
            }
            _ if depth == 0 => path.push(c),
            _ => {}
        }
        before = c;
    }
    None
}

/// Without the modules of types; what C calls numbers as what they are.
fn plain(text: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut plain = String::new();
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    // The name that the line begins with keeps its type.
    let mut is_name = true;
    let flush = |word: &mut String, plain: &mut String| {
        let spelt = match word.as_str() {
            "RawFd" | "c_int" => "i32",
            "c_long" => "i64",
            "c_uint" => "u32",
            "c_ulong" => "u64",
            other => other,
        };
        plain.push_str(spelt);
        word.clear();
    };
    while let Some(c) = chars.next() {
        if is_word(c) {
            word.push(c);
            continue;
        }
        if c == ':' && chars.peek() == Some(&':') && !is_name {
            chars.next();
            word.clear();
            continue;
        }
        is_name &= c != '(' && c != '<';
        flush(&mut word, &mut plain);
        plain.push(c);
    }
    flush(&mut word, &mut plain);
    for (what, instead) in [
        ("<'_>", ""),
        ("<'_, ", "<"),
        ("&'_ ", "&"),
        ("dyn ", "dyn "),
    ] {
        plain = plain.replace(what, instead);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_have_no_modules() {
        for (line, expected) in [
            (
                "pub const fn a::b::C<T, U>::get(&self, &x::K) -> y::Result<u8, z::E>",
                Some("fn C::get(&self, &K) -> Result<u8, E>"),
            ),
            (
                "pub unsafe fn a::f<T: x::Y>(T, c::c_long) -> x::R<'_>",
                Some("unsafe fn f<T: Y>(T, i64) -> R"),
            ),
            (
                "pub fn a::C<T>::g<P: x::Q<T>>(self, P) -> Self",
                Some("fn C::g<P: Q<T>>(self, P) -> Self"),
            ),
            ("pub fn a::C::from(x::E) -> Self", None),
            ("pub struct a::C", None),
            ("impl a::C", None),
        ] {
            assert_eq!(signature(line).as_deref(), expected, "{line}");
        }
    }
}
