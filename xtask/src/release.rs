//! `cargo xtask release`: all crates, in an order in which each finds what it depends on.
//!
//! Publishing cannot be undone, so this says what to run and runs none of it. With `--dry-run` it
//! walks the order: each crate is packaged and built with nothing in the registry but other
//! people's crates and those released before it.

use crate::package::{self, Registry};
use crate::packages::{self, Package};
use crate::shell::{Result, capture, root, target_dir};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Runs `cargo xtask release`.
pub fn run(options: &[&str]) -> Result<ExitCode> {
    let dry = match options {
        [] => false,
        ["--dry-run"] => true,
        _ => {
            eprintln!("cargo xtask release [--dry-run]");
            return Ok(ExitCode::from(2));
        }
    };
    refuse_changes(root())?;
    let packages = packages::read()?;
    let order = packages::release_order(&packages)?;
    package::told(package::problems(&packages, &order)?)?;
    let version = one_version(&order)?;
    let changelog = fs::read_to_string(root().join("CHANGELOG.md"))?;
    match check_changelog(&changelog, version) {
        Ok(()) => {}
        // Before the last commit of a release, its entry is still that of what is unreleased.
        Err(_) if dry && has_entries(section(&changelog, "Unreleased")) => {
            println!("CHANGELOG.md: [Unreleased] has to become [{version}] with a date");
        }
        Err(problem) => return Err(problem.into()),
    }
    match dry {
        true => walk(&order)?,
        false => print_commands(&order, version),
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a tree with changes: what is published has to be what is committed.
fn refuse_changes(tree: &Path) -> Result {
    let mut status = Command::new("git");
    status.args(["status", "--porcelain"]).current_dir(tree);
    let changes = capture(&mut status)?;
    match changes.is_empty() {
        true => Ok(()),
        false => Err(format!("there are changes that are not committed:\n{changes}").into()),
    }
}

/// The version that all crates have.
fn one_version<'a>(order: &[&'a Package]) -> Result<&'a str> {
    let mut versions: Vec<&str> = order
        .iter()
        .map(|package| package.version.as_str())
        .collect();
    versions.sort_unstable();
    versions.dedup();
    match versions[..] {
        [version] => Ok(version),
        _ => Err(format!("crates have different versions: {}", versions.join(", ")).into()),
    }
}

/// The text under the heading `## [name]`, and what is behind it in the heading.
fn section<'a>(changelog: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let heading = format!("## [{name}]");
    let mut parts = changelog.split("\n## [");
    parts.next();
    parts.find_map(|part| {
        let rest = part.strip_prefix(&heading["## [".len()..])?;
        Some(rest.split_once('\n').unwrap_or((rest, "")))
    })
}

fn has_entries(section: Option<(&str, &str)>) -> bool {
    section.is_some_and(|(_, text)| text.lines().any(|line| line.starts_with("- ")))
}

/// Checks that a version has an entry in the changelog, with a date.
fn check_changelog(changelog: &str, version: &str) -> Result<(), String> {
    let entry = section(changelog, version);
    let Some((heading, _)) = entry else {
        return Err(format!("CHANGELOG.md has no entry [{version}]"));
    };
    let date = heading.strip_prefix(" - ").unwrap_or_default().as_bytes();
    let is_date = date.len() == 10
        && date.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_date {
        return Err(format!(
            "CHANGELOG.md: [{version}] has no date, as in 2026-01-31"
        ));
    }
    match has_entries(entry) {
        true => Ok(()),
        false => Err(format!("CHANGELOG.md: [{version}] says nothing")),
    }
}

/// Packages and builds each crate, with those before it in the registry.
fn walk(order: &[&Package]) -> Result {
    let registry = Registry::vendor()?;
    let target = target_dir().join("package/release");
    package::forget_ours(&target)?;
    for (at, package) in order.iter().enumerate() {
        println!("{:2} of {}: {}", at + 1, order.len(), package.full_name());
        let mut command = registry.cargo(root());
        command
            .args(["package", "--quiet", "--locked", "--package", &package.name])
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        capture(&mut command)?;
        let file = format!("{}.crate", package.full_name());
        registry.add(package, &target.join("package").join(file))?;
    }
    println!("all {} crates can be released in this order", order.len());
    Ok(())
}

fn print_commands(order: &[&Package], version: &str) {
    println!("Run, one after the other; cargo waits until the registry has each crate:\n");
    for package in order {
        println!("cargo publish --locked --package {}", package.name);
    }
    println!("git tag --annotate v{version} --message 'Hachi {version}'");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::tests::named;

    const CHANGELOG: &str = "\
# Changelog

## [Unreleased]

## [0.2.0] - 2026-02-03

### Added

- a thing

## [0.1.0]

- a start

## [0.0.1] - 2025-01-01
";

    #[test]
    fn a_version_needs_an_entry_with_a_date_that_says_something() {
        assert_eq!(check_changelog(CHANGELOG, "0.2.0"), Ok(()));
        for (version, why) in [
            ("0.3.0", "no entry"),
            ("0.1.0", "no date"),
            ("0.0.1", "says nothing"),
            ("0.2", "no entry"),
        ] {
            let said = check_changelog(CHANGELOG, version).unwrap_err();
            assert!(said.contains(why), "{version}: {said}");
        }
        assert!(!has_entries(section(CHANGELOG, "Unreleased")));
    }

    #[test]
    fn all_crates_have_one_version() {
        let (a, mut b) = (named("a", &[]), named("b", &[]));
        assert_eq!(one_version(&[&a, &b]).unwrap(), "0.1.0");
        b.version = "0.1.1".into();
        assert!(one_version(&[&a, &b]).is_err());
    }

    #[test]
    fn a_tree_with_changes_is_refused() {
        let tree = hachi_test::TempDir::new().unwrap();
        let mut init = Command::new("git");
        capture(init.args(["init", "--quiet"]).current_dir(tree.path())).unwrap();
        refuse_changes(tree.path()).unwrap();
        fs::write(tree.join("new-file"), "").unwrap();
        let said = refuse_changes(tree.path()).unwrap_err().to_string();
        assert!(said.contains("new-file"), "{said}");
    }
}
