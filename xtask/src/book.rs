//! The book's references: every chapter of the summary exists, every included piece of code too.

use crate::shell::{Result, capture, root};
use hachi_test::find_program;
use std::path::Path;
use std::process::Command;

/// Checks all of it; builds the book as well where mdBook is installed.
pub fn check() -> Result {
    let source = root().join("book/src");
    let mut problems = Vec::new();
    let summary = std::fs::read_to_string(source.join("SUMMARY.md"))
        .map_err(|error| format!("book/src/SUMMARY.md: {error}"))?;
    for link in links(&summary) {
        if !source.join(link).is_file() {
            problems.push(format!("SUMMARY.md: no chapter {link}"));
        }
    }
    for entry in std::fs::read_dir(&source)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = std::fs::read_to_string(&path)?;
            let chapter = path.file_name().unwrap_or_default().to_string_lossy();
            for include in includes(&text) {
                if let Err(problem) = resolve(&source, include) {
                    problems.push(format!("{chapter}: {include}: {problem}"));
                }
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems.join("\n").into());
    }
    if find_program("mdbook").is_some() {
        let mut mdbook = Command::new("mdbook");
        mdbook.arg("build").arg(root().join("book"));
        mdbook
            .arg("--dest-dir")
            .arg(crate::shell::target_dir().join("book"));
        capture(&mut mdbook)?;
    }
    Ok(())
}

/// The targets of Markdown links to other chapters.
fn links(markdown: &str) -> impl Iterator<Item = &str> {
    markdown
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .filter(|target| !target.is_empty() && !target.contains("://"))
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
    fn finds_links_and_includes() {
        let text = "- [One](one.md)\n- [Web](https://x.y/z) [None]()\n```rust\n\
                    {{#include ../a.rs:main}}\n\
                    {{#rustdoc_include b.rs}}\n```";
        assert_eq!(links(text).collect::<Vec<_>>(), ["one.md"]);
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
