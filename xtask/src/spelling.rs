//! Spelling, by codespell: it knows how words are misspelt, so names and terms of the field do not
//! trouble it.

use crate::install::{self, CODESPELL};
use crate::shell::{Result, root};
use crate::style;
use std::process::Command;

/// Words that it takes for others.
const WORDS: &[&str] = &["crate", "statics", "upto", "ser", "inout"];

/// What is misspelt on purpose: tests that look for near misses.
const NEAR_MISSES: &[&str] = &["objekt", "entrys", "opne", "hande", "requst"];

/// Checks the words in prose, comments and names. Gives why it cannot, if it cannot.
pub fn check() -> Result<Option<String>> {
    if let Some((_, reason)) = install::ensure(&[CODESPELL]).pop() {
        return Ok(Some(reason));
    }
    let found = misspelt(&style::paths()?)?;
    match found.is_empty() {
        true => Ok(None),
        false => Err(found.into()),
    }
}

/// What codespell says about these files, by their paths from the root of the repository.
fn misspelt(paths: &[String]) -> Result<String> {
    let known = [WORDS, NEAR_MISSES].concat().join(",");
    let mut codespell = Command::new(CODESPELL.program);
    codespell.current_dir(root()).args(["-L", &known]);
    let said = codespell.args(paths).output()?;
    // It ends with another code than 0 when it has found something.
    let found = String::from_utf8_lossy(&said.stdout).into_owned();
    match said.status.success() || !found.is_empty() {
        true => Ok(found),
        false => Err(format!("codespell: {}", String::from_utf8_lossy(&said.stderr)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_misspelt_word_and_leaves_the_known_ones() {
        if let Some((_, reason)) = install::ensure(&[CODESPELL]).pop() {
            hachi_test::skip!("{reason}");
        }
        let directory = hachi_test::TempDir::new().unwrap();
        let file = directory.join("a.md");
        let path = [file.to_string_lossy().into_owned()];
        std::fs::write(&file, "A crate of statics, up to objekt.\n").unwrap();
        assert_eq!(misspelt(&path).unwrap(), "");
        // In pieces, so that this file does not have it.
        std::fs::write(&file, concat!("It drops t", "eh packet.\n")).unwrap();
        assert!(misspelt(&path).unwrap().contains("==> the"));
    }
}
