//! docs/api/: the public API of each published crate, one item a line.
//!
//! rustdoc describes a crate in JSON, which is unstable: it takes `RUSTC_BOOTSTRAP`, given to
//! rustdoc alone, and a reader of the same format, which `xtask-api` is for Rust 1.95.

use crate::packages::Package;
use crate::shell::{Result, capture, cargo, root, target_dir};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// How many lines of a difference are shown.
const SHOWN: usize = 40;

/// Where the list of a crate is.
fn list_file(name: &str) -> PathBuf {
    root().join("docs/api").join(format!("{name}.txt"))
}

/// Writes the lists again.
pub fn write(packages: &[Package]) -> Result {
    let lists = make(packages)?;
    fs::create_dir_all(root().join("docs/api"))?;
    for (name, list) in &lists {
        let file = list_file(name);
        if fs::read_to_string(&file).ok().as_ref() != Some(list) {
            fs::write(&file, list)?;
            println!("docs/api/{name}.txt changed: say it in CHANGELOG.md");
        }
    }
    for name in stale(&lists)? {
        fs::remove_file(list_file(&name))?;
    }
    Ok(())
}

/// Checks that the lists are those of the code.
pub fn compare(packages: &[Package]) -> Result {
    let lists = make(packages)?;
    let mut changed: Vec<String> = lists
        .iter()
        .filter_map(|(name, list)| {
            let old = fs::read_to_string(list_file(name)).unwrap_or_default();
            (old != *list).then(|| format!("{name}:\n{}", difference(&old, list)))
        })
        .collect();
    let stale = stale(&lists)?.into_iter();
    changed.extend(stale.map(|name| format!("docs/api/{name}.txt is of no published crate")));
    if changed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the public API changed; if that is meant, `cargo xtask package --api` writes docs/api \
         again, and CHANGELOG.md needs a line\n{}",
        changed.join("\n")
    )
    .into())
}

/// The names of lists that belong to no crate any more.
fn stale(lists: &[(String, String)]) -> Result<Vec<String>> {
    let Ok(entries) = fs::read_dir(root().join("docs/api")) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let name = name.trim_end_matches(".txt").to_owned();
        if !lists.iter().any(|(known, _)| *known == name) {
            found.push(name);
        }
    }
    Ok(found)
}

/// Lines that went, with a minus, and that came, with a plus.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (old.lines().collect(), new.lines().collect());
    let gone = old.difference(&new).map(|line| format!("  - {line}"));
    let come = new.difference(&old).map(|line| format!("  + {line}"));
    let mut lines: Vec<String> = gone.chain(come).collect();
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("  and {more} lines more"));
    }
    if lines.is_empty() {
        lines.push("  the order of lines".to_owned());
    }
    lines.join("\n")
}

/// The lists of all published libraries, by crate.
fn make(packages: &[Package]) -> Result<Vec<(String, String)>> {
    let libraries: Vec<&Package> = packages
        .iter()
        .filter(|package| package.is_published && package.is_library)
        .collect();
    let mut doc = cargo(root());
    doc.args([
        "doc",
        "--quiet",
        "--no-deps",
        "--all-features",
        "--lib",
        "--locked",
    ]);
    for package in &libraries {
        doc.args(["--package", &package.name]);
    }
    doc.env("RUSTDOC", rustdoc()?).env(
        "RUSTDOCFLAGS",
        "-Zunstable-options --output-format=json --cap-lints=allow",
    );
    capture(&mut doc)?;
    let tool = api_tool()?;
    let list = |package: &&Package| {
        let name = package.name.replace('-', "_");
        let json = target_dir().join("doc").join(format!("{name}.json"));
        let list = capture(Command::new(&tool).arg(json))?;
        Ok((package.name.clone(), list))
    };
    libraries.iter().map(list).collect()
}

/// The reader of rustdoc's JSON, built.
pub fn api_tool() -> Result<PathBuf> {
    capture(cargo(root()).args(["build", "--quiet", "--package", "xtask-api", "--locked"]))?;
    Ok(target_dir().join("debug/xtask-api"))
}

/// A rustdoc that takes unstable options. Were the variable set for cargo, every build script would
/// see it, and all that depends on those would be built again.
pub fn rustdoc() -> Result<PathBuf> {
    let real = std::env::var("RUSTDOC").unwrap_or("rustdoc".to_owned());
    let script = target_dir().join("package/rustdoc");
    fs::create_dir_all(target_dir().join("package"))?;
    fs::write(
        &script,
        format!("#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec '{real}' \"$@\"\n"),
    )?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_shown_line_by_line() {
        assert_eq!(difference("a\nb\n", "b\nc\n"), "  - a\n  + c");
        assert_eq!(difference("a\nb\n", "b\na\n"), "  the order of lines");
        let many: String = (0..100).map(|number| format!("{number}\n")).collect();
        let shown = difference("", &many);
        assert_eq!(shown.lines().count(), SHOWN + 1);
        assert!(shown.ends_with("and 60 lines more"), "{shown}");
    }
}
