//! Where Hachi's own crates come from, in packages that Hachi writes.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{Error, cache::setting, error::IoContext as _};

/// Environment variable that names a checkout.
const VARIABLE: &str = "HACHI_SRC";

/// Where Hachi's own crates come from, in packages that Hachi writes: the projects of `hachi new`,
/// and the package around a single file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A checkout of the repository, whose crates are depended on by path.
    Checkout(PathBuf),
    /// The registry, with exactly the version of this crate.
    Registry,
}

impl Origin {
    /// The checkout that `HACHI_SRC` names, else the one that the calling program was built in,
    /// else (when that is `None`) the registry.
    ///
    /// # Errors
    /// [`Error::NoCheckout`] when there is no checkout where there should be one, or its path is
    /// not UTF-8 and so cannot stand in a manifest.
    pub fn find(built_in: Option<&Path>) -> Result<Origin, Error> {
        let named = setting(VARIABLE).map(PathBuf::from);
        let variable = named.is_some().then_some(VARIABLE);
        let Some(dir) = named.or_else(|| built_in.map(Path::to_path_buf)) else {
            return Ok(Origin::Registry);
        };
        let absolute = match found(dir.canonicalize()).with_context("find", &dir)? {
            Some(absolute) if absolute.to_str().is_some() => absolute,
            _ => return Err(Error::NoCheckout { dir, variable }),
        };
        for package in ["hachi", "hachi-ebpf"] {
            let manifest = absolute.join(folder(package)).join("Cargo.toml");
            let about = found(manifest.metadata()).with_context("look at", &manifest)?;
            if !about.is_some_and(|about| about.is_file()) {
                return Err(Error::NoCheckout { dir, variable });
            }
        }
        Ok(Origin::Checkout(absolute))
    }

    /// What stands behind `NAME =` in a manifest for one of Hachi's crates; `options` are further
    /// keys, such as `default-features = false`, or empty.
    ///
    /// ```
    /// let registry = hachi_build::Origin::Registry;
    /// let line = registry.dependency("hachi", "default-features = false");
    /// assert!(line.starts_with("{ version = \"="));
    /// assert!(line.ends_with("default-features = false }"));
    /// ```
    pub fn dependency(&self, package: &str, options: &str) -> String {
        let place = match self {
            Origin::Checkout(dir) => {
                let path = dir.join(folder(package));
                format!("path = {}", toml_string(&path.to_string_lossy()))
            }
            // Exactly this one: what a package was written for.
            Origin::Registry => format!("version = \"={}\"", env!("CARGO_PKG_VERSION")),
        };
        match options {
            "" => format!("{{ {place} }}"),
            options => format!("{{ {place}, {options} }}"),
        }
    }
}

/// What a look has found, which is nothing where there is nothing; other errors stay what they are.
fn found<T>(look: io::Result<T>) -> io::Result<Option<T>> {
    match look {
        Ok(there) => Ok(Some(there)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ => Err(error),
        },
    }
}

/// The directory of a crate in a checkout.
fn folder(package: &str) -> PathBuf {
    let group = match package {
        package if package.starts_with("hachi-ebpf") => "ebpf",
        package if package.starts_with("hachi-aya") => "compat",
        _ => "crates",
    };
    Path::new(group).join(package)
}

/// A string of TOML.
pub(crate) fn toml_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

    #[test]
    fn crates_come_from_the_checkout_by_path() {
        let checkout = Origin::Checkout("/src/ha\"chi".into());
        assert_eq!(
            checkout.dependency("hachi", ""),
            r#"{ path = "/src/ha\"chi/crates/hachi" }"#
        );
        assert_eq!(
            checkout.dependency("hachi-ebpf", "optional = true"),
            r#"{ path = "/src/ha\"chi/ebpf/hachi-ebpf", optional = true }"#
        );
    }

    #[test]
    fn a_program_from_the_registry_asks_for_its_own_version() {
        let version = env!("CARGO_PKG_VERSION");
        let line = Origin::Registry.dependency("hachi-common", "");
        assert_eq!(line, format!("{{ version = \"={version}\" }}"));
    }

    #[test]
    fn a_checkout_is_distinguished_from_other_directories() {
        let dir = std::env::temp_dir().join(format!("hachi-origin-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        // Not UTF-8, to begin with: no manifest can name it.
        let odd = dir.join(OsStr::from_bytes(b"\xff"));
        let whole = dir.join("whole");
        for checkout in [&odd, &whole] {
            for package in ["crates/hachi", "ebpf/hachi-ebpf"] {
                fs::create_dir_all(checkout.join(package)).unwrap();
                fs::write(checkout.join(package).join("Cargo.toml"), "").unwrap();
            }
        }
        assert_eq!(Origin::find(None).unwrap(), Origin::Registry);
        assert_eq!(
            Origin::find(Some(&whole)).unwrap(),
            Origin::Checkout(whole.canonicalize().unwrap())
        );
        for none in [&odd, &dir, &dir.join("gone")] {
            let error = Origin::find(Some(none)).unwrap_err();
            let Error::NoCheckout {
                dir,
                variable: None,
            } = &error
            else {
                panic!("{error}");
            };
            assert_eq!(dir, none);
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn strings_are_quoted() {
        assert_eq!(toml_string("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}
