//! Which of Aya's versions a project was written for.

use std::fmt;

use toml_edit::{DocumentMut, Item};

use super::manifest::Asked;

/// The shape of `Bpf`, `Ebpf` and their programs that sources expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Shape {
    /// 0.14 and later; and what was there before 0.11, whose `Bpf` the façade has beside `Ebpf`
    #[value(name = "0.14", alias = "2021")]
    Current,
    /// 0.11 to 0.13
    #[value(name = "0.13", aliases = ["0.11", "0.12"])]
    V0_13,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::Current => "0.14 (or of before 0.11)",
            Shape::V0_13 => "0.11 to 0.13",
        })
    }
}

/// The minor number of a version or a requirement, such as 13 of `^0.13.1` and `>=0.13, <0.15`.
fn minor(version: &str) -> Option<u32> {
    let first = version.split(',').next()?;
    let digits = first.trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut parts = digits.split('.');
    if parts.next()? != "0" {
        return None;
    }
    let minor = parts.next()?;
    let end = minor
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(minor.len());
    minor[..end].parse().ok()
}

/// What a dependency means, as far as it can be known: `None` for a repository without a tag or a
/// lock file, and for requirements that any version meets.
pub fn shape_of(asked: &Asked, locked: Option<u32>) -> Option<Shape> {
    let tagged = asked.tag.as_deref().and_then(|tag| {
        let version = tag.strip_prefix("aya-").unwrap_or(tag);
        minor(version.strip_prefix('v').unwrap_or(version))
    });
    let required = asked.version.as_deref().and_then(minor);
    let minor = tagged.or(required).or(locked)?;
    Some(match minor {
        11..=13 => Shape::V0_13,
        _ => Shape::Current,
    })
}

/// The minor number of the version of `aya` that a lock file holds.
pub fn locked(lock: &str) -> Option<u32> {
    let document: DocumentMut = lock.parse().ok()?;
    let packages = document.get("package")?.as_array_of_tables()?;
    let aya = packages
        .iter()
        .find(|package| package.get("name").and_then(Item::as_str) == Some("aya"))?;
    minor(aya.get("version")?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(version: Option<&str>, tag: Option<&str>) -> Asked {
        Asked {
            version: version.map(str::to_owned),
            git: tag.is_some(),
            tag: tag.map(str::to_owned),
        }
    }

    #[test]
    fn requirements_tags_and_lock_files_decide_the_version() {
        for (version, expected) in [
            ("0.14", Some(Shape::Current)),
            ("0.13.1", Some(Shape::V0_13)),
            ("^0.12", Some(Shape::V0_13)),
            (">=0.11, <0.13", Some(Shape::V0_13)),
            ("= 0.11.0", Some(Shape::V0_13)),
            ("0.10.7", Some(Shape::Current)),
            ("*", None),
        ] {
            assert_eq!(
                shape_of(&asked(Some(version), None), None),
                expected,
                "{version}"
            );
        }
        assert_eq!(
            shape_of(&asked(None, Some("aya-v0.13.0")), Some(14)),
            Some(Shape::V0_13)
        );
        assert_eq!(shape_of(&asked(None, None), Some(14)), Some(Shape::Current));
        assert_eq!(shape_of(&asked(None, None), None), None);
        let lock = "[[package]]\nname = \"aya\"\nversion = \"0.12.0\"\n";
        assert_eq!(locked(lock), Some(12));
        assert_eq!(locked("version = 4\n"), None);
    }
}
