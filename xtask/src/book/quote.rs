//! Chapters that quote code of the repository: what they include exists.

use crate::shell::root;
use std::path::Path;

/// What a chapter includes and is not there.
pub fn problems(file: &str, text: &str) -> Vec<String> {
    let source = root().join("book/src");
    let all = includes(text).map(|include| (include, resolve(&source, include)));
    let missing = all.filter_map(|(include, found)| Some((include, found.err()?)));
    missing
        .map(|(include, problem)| format!("{file}: {include}: {problem}"))
        .collect()
}

/// What follows `{{#include` (or `#rustdoc_include`), such as `../../examples/a.rs:anchor`.
fn includes(markdown: &str) -> impl Iterator<Item = &str> {
    markdown
        .split("{{#")
        .skip(1)
        .filter_map(|rest| rest.split_once("}}"))
        .filter_map(|(directive, _)| directive.split_once("include "))
        .map(|(_, target)| target.trim())
}

fn resolve(directory: &Path, include: &str) -> Result<(), String> {
    let (path, range) = include.split_once(':').unwrap_or((include, ""));
    let text = std::fs::read_to_string(directory.join(path)).map_err(|error| error.to_string())?;
    let is_lines = range
        .chars()
        .all(|character| character.is_ascii_digit() || character == ':');
    if is_lines {
        let wanted = range
            .split(':')
            .filter_map(|number| number.parse::<usize>().ok())
            .max();
        return match wanted {
            Some(line) if line > text.lines().count() => Err(format!("it has no line {line}")),
            _ => Ok(()),
        };
    }
    for mark in ["ANCHOR: ", "ANCHOR_END: "] {
        let wanted = format!("{mark}{range}");
        if !text.lines().any(|line| line.trim_end().ends_with(&wanted)) {
            return Err(format!("it has no `{wanted}`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_includes() {
        let text = "```rust\n{{#include ../a.rs:main}}\n{{#rustdoc_include b.rs}}\n```";
        assert_eq!(includes(text).collect::<Vec<_>>(), ["../a.rs:main", "b.rs"]);
    }

    #[test]
    fn resolves_files_lines_and_anchors() {
        let directory = hachi_test::TempDir::new().unwrap();
        let code = "// ANCHOR: main\nfn main() {}\n// ANCHOR_END: main\n";
        std::fs::write(directory.join("a.rs"), code).unwrap();
        let check = |include| resolve(directory.path(), include);
        assert_eq!(check("a.rs"), Ok(()));
        assert_eq!(check("a.rs:main"), Ok(()));
        assert_eq!(check("a.rs:1:3"), Ok(()));
        assert!(check("a.rs:2:9").unwrap_err().contains("line 9"));
        assert!(check("a.rs:mai").unwrap_err().contains("ANCHOR: mai"));
        assert!(check("b.rs").is_err());
    }
}
