//! The style of prose, by proselint: clichés, redundant words, what is said in a roundabout way.
//! `xtask/proselint.json` says which of its rules count.

use crate::book;
use crate::install::{self, PIP};
use crate::shell::{Result, capture, root};
use crate::style;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = "0.16.0";

/// What programs write.
const WRITTEN: [&str; 2] = ["docs/api/", "book/src/reference/"];

/// Checks the text of Markdown files, without code. Gives why it cannot, if it cannot.
pub fn check() -> Result<Option<String>> {
    let place = match proselint()? {
        Ok(place) => place,
        Err(reason) => return Ok(Some(reason)),
    };
    let paths = style::paths()?.into_iter();
    let paths: Vec<String> = paths
        .filter(|path| path.ends_with(".md"))
        .filter(|path| !WRITTEN.iter().any(|directory| path.starts_with(directory)))
        .collect();
    let found = findings(&place, root(), &paths)?;
    match found.is_empty() {
        true => Ok(None),
        false => Err(found.into()),
    }
}

/// Where it is, installed there once; else why it cannot be.
fn proselint() -> Result<Result<PathBuf, String>> {
    let place = book::cache()?.join(format!("tools/proselint-{VERSION}"));
    if place.join("proselint").is_dir() {
        return Ok(Ok(place));
    }
    if let Some((_, reason)) = install::ensure(&[PIP]).pop() {
        return Ok(Err(reason));
    }
    println!("installing proselint {VERSION}, once");
    let mut pip = Command::new(PIP.program);
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    pip.arg("--target").arg(&place);
    pip.arg(format!("proselint=={VERSION}"));
    Ok(match capture(&mut pip) {
        Ok(_) => Ok(place),
        Err(error) => Err(error.to_string()),
    })
}

/// What it says about these files of a directory.
fn findings(place: &Path, directory: &Path, paths: &[String]) -> Result<String> {
    let copies = hachi_test::TempDir::new()?;
    for path in paths {
        let copy = copies.join(path);
        if let Some(parent) = copy.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(copy, prose(&fs::read_to_string(directory.join(path))?))?;
    }
    let mut check = Command::new("python3");
    check
        .args(["-m", "proselint", "check", "--config"])
        .arg(root().join("xtask/proselint.json"))
        .args(["--output-format", "compact"])
        .args(paths)
        .env("PYTHONPATH", place)
        .current_dir(copies.path());
    let said = check.output()?;
    // It ends with another code than 0 when it has found something.
    let found = String::from_utf8_lossy(&said.stdout).into_owned();
    match said.status.success() || !found.is_empty() {
        true => Ok(found),
        false => Err(format!("proselint: {}", String::from_utf8_lossy(&said.stderr)).into()),
    }
}

/// The text of Markdown, each line in its place: no blocks of code, tables and comments, and a word
/// for each piece of code.
fn prose(markdown: &str) -> String {
    let mut to = String::new();
    let mut is_code = false;
    for line in markdown.lines() {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        if !is_fence && !is_code && !line.starts_with(['|', '<']) {
            let pieces = line.split('`').enumerate();
            let text = pieces.map(|(number, text)| match number % 2 {
                0 => text,
                _ => "code",
            });
            to.extend(text);
            // A heading is a sentence of its own.
            if line.starts_with('#') {
                to.push('.');
            }
        }
        to.push('\n');
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_code_out() {
        let text = "# One\nA `b c` d.\n```console\n$ utilize\n```\n| very |\n<!-- very -->\nEnd.\n";
        assert_eq!(prose(text), "# One.\nA code d.\n\n\n\n\n\nEnd.\n");
    }

    #[test]
    fn finds_roundabout_words_outside_of_code() {
        let place = match proselint().unwrap() {
            Ok(place) => place,
            Err(reason) => hachi_test::skip!("{reason}"),
        };
        let directory = hachi_test::TempDir::new().unwrap();
        let paths = ["a.md".to_owned()];
        let file = directory.join("a.md");
        fs::write(&file, "The \"packet\" is here.\n\n```c\nutilize();\n```\n").unwrap();
        assert_eq!(findings(&place, directory.path(), &paths).unwrap(), "");
        fs::write(&file, concat!("Fine.\n\n", "We utilize it.\n")).unwrap();
        let found = findings(&place, directory.path(), &paths).unwrap();
        assert!(found.starts_with("a.md:3:"), "{found}");
    }
}
