//! The rules of style that no tool checks: long lines, stilted phrases, names of machines and
//! registries, code that is not written yet.

use crate::shell::{Result, root};
use std::fmt;
use std::path::{Path, PathBuf};

/// The longest line of Rust code, in characters; `rustfmt.toml` says the same, but rustfmt skips
/// comments, strings, macros and what it cannot break.
const WIDTH: usize = 100;

/// Phrases that an engineer would not write, and what to write instead. They are looked for in
/// comments, strings, identifiers and prose, across the ends of lines.
const PHRASES: &[(&str, &str)] = &[
    ("whoever", "anyone who"),
    ("so many", "as many"),
    ("but for", "except"),
    ("to be had", "available"),
    ("as ever", "as usual"),
    ("for ever", "forever"),
    ("anew", "again"),
    ("hence", "so"),
    ("shall", "must, or will"),
    ("in vain", "without success"),
    ("it is said", "say who reports it"),
    ("is no error", "is not an error"),
    ("what is no", "something that is not"),
    ("that is no", "that is not"),
    ("come to its end", "end"),
    ("came to its end", "ended"),
    ("poor man's", "simple"),
    ("what came of", "the result of"),
    ("whence", "from where"),
    ("thereof", "of it"),
    ("albeit", "although"),
    ("upon", "on"),
    ("lest", "so that … not"),
    ("naught", "nothing"),
    ("save for", "except"),
];

/// Phrases that begin like one of [`PHRASES`] and are fine.
const FINE: &[&str] = &["that is no longer", "that is no more", "what is no longer"];

/// Where this machine and others keep things, in pieces so that this file does not have them.
const PLACES: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/tmp/", "lead"), "a path of one machine"),
    (concat!("crates", ".io/"), "the address of a registry"),
    (concat!("index.", "crates.io"), "the address of a registry"),
    (concat!("static.", "crates.io"), "the address of a registry"),
    (concat!("deb.", "debian.org"), "the address of a registry"),
    (
        concat!("security.", "debian.org"),
        "the address of a registry",
    ),
    (concat!("pypi", ".org"), "the address of a registry"),
    (concat!("registry.", "npmjs"), "the address of a registry"),
];

/// Code that only says that it is missing.
const MISSING: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!(")];

/// Where that is the subject: how the linker reports it in programs, and a function that is never
/// called but tells the compiler a type.
const ABOUT_MISSING: &[&str] = &[
    "crates/hachi-linker/src/ir/aborts.rs",
    "crates/hachi-linker/tests/checks.rs",
    "crates/hachi-linker/tests/micro/flow.rs",
    "ebpf/hachi-ebpf-macros/src/kernel/ops.rs",
];

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    line: usize,
    problem: String,
}

/// A text file of the repository.
struct File {
    /// Its path from the root of the repository.
    path: String,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.problem)
    }
}

/// Checks that no line of Rust is too long.
pub fn long_lines() -> Result {
    report(|file| match file.path.ends_with(".rs") {
        true => too_long(&file.text),
        false => Vec::new(),
    })
}

/// Checks phrases, places and missing code.
pub fn check() -> Result {
    report(|file| match file.path.as_str() {
        "xtask/src/style.rs" => Vec::new(),
        path => {
            let mut found = stilted(&file.text);
            found.extend(matches(&file.text, PLACES));
            if path.ends_with(".rs") && !ABOUT_MISSING.contains(&path) {
                let missing = MISSING.iter().map(|macro_| (*macro_, "missing code"));
                found.extend(matches(&file.text, &missing.collect::<Vec<_>>()));
            }
            found
        }
    })
}

/// Applies `rule` to all files.
fn report(rule: impl Fn(&File) -> Vec<Finding>) -> Result {
    let mut problems = Vec::new();
    for file in files(root())? {
        let found = rule(&file);
        problems.extend(found.iter().map(|found| format!("{}:{found}", file.path)));
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("\n").into()),
    }
}

/// The text files of the repository: code, prose and tables.
fn files(root: &Path) -> Result<Vec<File>> {
    const KINDS: [&str; 7] = ["rs", "md", "toml", "tsv", "c", "h", "ll"];
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(root.join(&directory))? {
            let entry = entry?;
            let path = directory.join(entry.file_name());
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                // Cargo marks its target directories with this file.
                let is_built = entry.path().join("CACHEDIR.TAG").exists();
                if !is_built && !name.starts_with('.') && name != "target" {
                    directories.push(path);
                }
            } else if path
                .extension()
                .is_some_and(|kind| KINDS.iter().any(|known| kind == *known))
            {
                found.push(File {
                    path: path.to_string_lossy().into_owned(),
                    text: std::fs::read_to_string(entry.path())?,
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn too_long(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let width = line.chars().count();
        if width > WIDTH {
            found.push(Finding {
                line: number + 1,
                problem: format!("{width} columns; at most {WIDTH} are allowed"),
            });
        }
    }
    found
}

/// The words of a text in lower case, each with its line. Identifiers come apart at `_`; what
/// begins a comment line is no word.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let is_letter = |c: char| c.is_alphabetic() || c == '\'';
        let mut word = String::new();
        for c in line.chars().chain([' ']) {
            if is_letter(c) {
                word.extend(c.to_lowercase());
                continue;
            }
            if !word.is_empty() {
                found.push((number + 1, std::mem::take(&mut word)));
            }
            // A phrase does not go on behind the end of a sentence, or a code span.
            if !c.is_whitespace() && !"_/*>\\".contains(c) {
                found.push((number + 1, c.to_string()));
            }
        }
    }
    found
}

fn stilted(text: &str) -> Vec<Finding> {
    let lower = text.to_lowercase();
    let occurs = |phrase: &str| {
        let first = phrase.split(' ').next();
        first.is_some_and(|first| lower.contains(first))
    };
    let likely: Vec<&(&str, &str)> = PHRASES
        .iter()
        .filter(|(phrase, _)| occurs(phrase))
        .collect();
    if likely.is_empty() {
        return Vec::new();
    }
    let words = words(text);
    let begins = |at: usize, phrase: &str| {
        let mut rest = words[at..].iter();
        phrase
            .split(' ')
            .all(|wanted| rest.next().is_some_and(|(_, word)| word == wanted))
    };
    let mut found = Vec::new();
    for (at, (line, _)) in words.iter().enumerate() {
        for (phrase, better) in &likely {
            if begins(at, phrase) && !FINE.iter().any(|fine| begins(at, fine)) {
                found.push(Finding {
                    line: *line,
                    problem: format!("\"{phrase}\": write \"{better}\""),
                });
            }
        }
    }
    found
}

/// The lines that contain one of these texts.
fn matches(text: &str, unwanted: &[(&str, &str)]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (part, problem) in unwanted {
            if line.contains(part) {
                found.push(Finding {
                    line: number + 1,
                    problem: format!("`{part}`: {problem}"),
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(found: &[Finding]) -> Vec<usize> {
        found.iter().map(|found| found.line).collect()
    }

    #[test]
    fn counts_characters_and_not_bytes() {
        assert_eq!(too_long(&"≥".repeat(WIDTH)), []);
        let text = format!("a\n{}\n", "≥".repeat(WIDTH + 1));
        assert_eq!(lines(&too_long(&text)), [2]);
    }

    #[test]
    fn finds_phrases_across_lines_and_in_identifiers() {
        let text = "fn f() {}\n    /// It takes so\n    /// many bytes.\n";
        assert_eq!(lines(&stilted(text)), [2]);
        assert_eq!(lines(&stilted("fn gives_so_many_bytes() {}")), [1]);
        assert_eq!(lines(&stilted("\"all, but \\\n  for this\"")), [1]);
        assert_eq!(lines(&stilted("Whoever calls it")), [1]);
    }

    #[test]
    fn leaves_other_text_alone() {
        for text in [
            "It does so. Many callers",
            "so `many`",
            "a thing that is no longer there",
            "an analysis",
            "whenever",
        ] {
            assert_eq!(stilted(text), [], "{text}");
        }
    }

    #[test]
    fn finds_paths_of_a_machine() {
        let text = format!("// see\n// {}main\n", PLACES[0].0);
        assert_eq!(lines(&matches(&text, PLACES)), [2]);
    }

    #[test]
    fn reads_the_files_of_the_repository() {
        let files = files(root()).unwrap();
        let has = |path: &str| files.iter().any(|file| file.path == path);
        assert!(has("xtask/src/style.rs") && has("README.md") && has("codegen/helpers.tsv"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }
}
