//! Names that a project can have.

use crate::failure::{Failure, Result};

/// Names that cargo, rustc or the project's own crates have taken.
const TAKEN: &[&str] = &[
    // Crates of the language.
    "alloc",
    "core",
    "proc_macro",
    "std",
    "test",
    // Directories in cargo's target directory.
    "build",
    "deps",
    "examples",
    "incremental",
    // Dependencies of the project.
    "hachi",
    "hachi_build",
    "hachi_common",
    "hachi_ebpf",
    "network_types",
    // A program of this name would clash with its section.
    "license",
    "maps",
];

/// Keywords of the language, of all editions.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The longest name: with `-common` behind it, it is still a pleasant directory name.
const LONGEST: usize = 40;

pub(super) fn check_name(name: &str) -> Result {
    let bad = |why: String| {
        Err(Failure::usage(format!(
            "`{name}` cannot be the name: {why}"
        )))
    };
    let Some(first) = name.chars().next() else {
        return bad("it is empty".into());
    };
    if let Some(odd) = name
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || *c == '-' || *c == '_'))
    {
        return bad(format!("it contains {odd:?}; use letters, digits, - and _"));
    }
    if !first.is_ascii_alphabetic() {
        return bad("it must start with a letter".into());
    }
    if name.len() > LONGEST {
        return bad(format!("it is longer than {LONGEST} characters"));
    }
    let identifier = identifier(name);
    if KEYWORDS.contains(&identifier.as_str()) {
        return bad("it is a keyword of Rust".into());
    }
    if TAKEN.contains(&identifier.as_str()) {
        return bad("that name is taken by cargo, Rust or Hachi".into());
    }
    Ok(())
}

/// The name as Rust code writes it.
pub(super) fn identifier(name: &str) -> String {
    name.replace('-', "_")
}
