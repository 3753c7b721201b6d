//! The packages of a workspace, as `cargo metadata` tells them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use hachi_diag::json::{self, Json};

use super::scrub;
use crate::{
    Error,
    cache::setting,
    process::{in_path, output},
};

/// A workspace, seen from one of its packages.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<PackageInfo>,
    pub(crate) workspace_root: PathBuf,
    pub(crate) target_directory: PathBuf,
}

/// One member of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct PackageInfo {
    pub(crate) name: String,
    /// Its `Cargo.toml`.
    pub(crate) manifest: PathBuf,
    /// Its binary targets.
    pub(crate) bins: Vec<String>,
    /// It depends on `hachi-ebpf`, under whatever name.
    pub(crate) is_ebpf: bool,
}

impl PackageInfo {
    pub(crate) fn dir(&self) -> &Path {
        self.manifest.parent().unwrap_or(Path::new("/"))
    }
}

impl Metadata {
    /// Reads the workspace that the directory belongs to. Needs no network: dependencies are not
    /// resolved.
    pub(crate) fn read(dir: &Path) -> Result<Metadata, Error> {
        let cargo = setting("CARGO")
            .map(PathBuf::from)
            .or_else(|| in_path("cargo"))
            .or_else(|| {
                Some(std::env::home_dir()?.join(".cargo/bin/cargo")).filter(|cargo| cargo.is_file())
            })
            .unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        scrub(&mut command, std::env::vars_os());
        // The one thing of an outer cargo's that matters here: where its user wants the files.
        if let Some(target) = setting("CARGO_TARGET_DIR") {
            // Cargo takes it as relative to its working directory, and the user to theirs.
            let target = std::path::absolute(&target).unwrap_or(target.into());
            command.env("CARGO_TARGET_DIR", target);
        }
        command
            .args([
                "metadata",
                "--no-deps",
                "--offline",
                "--format-version",
                "1",
            ])
            .current_dir(dir);
        let answer = output(&mut command)?;
        let failed = |output: String| Error::Manifest {
            dir: dir.into(),
            output,
        };
        if !answer.status.success() {
            let said = String::from_utf8_lossy(&answer.stderr);
            return Err(match gone(&said) {
                Some((dependency, manifest)) => Error::DependencyGone {
                    dir: dir.into(),
                    dependency,
                    manifest,
                },
                None => failed(said.trim_end().to_string()),
            });
        }
        json::parse(&answer.stdout)
            .and_then(|document| parse(Json::of(&document)))
            .ok_or_else(|| failed("`cargo metadata` gave an answer of an unknown form".into()))
    }

    /// The package whose manifest lies in the directory.
    pub(crate) fn at(&self, dir: &Path) -> Option<&PackageInfo> {
        let wanted = dir.canonicalize().ok()?;
        self.packages
            .iter()
            .find(|package| package.dir().canonicalize().is_ok_and(|dir| dir == wanted))
    }

    pub(crate) fn named(&self, name: &str) -> Option<&PackageInfo> {
        self.packages.iter().find(|package| package.name == name)
    }
}

/// The dependency by path, and its manifest, whose absence is what cargo complains of:
///
/// ```text
/// failed to load manifest for dependency `NAME`
/// …
/// failed to read `PATH`
/// ```
fn gone(said: &str) -> Option<(String, PathBuf)> {
    let (_, rest) = said.rsplit_once(" for dependency `")?;
    let (name, rest) = rest.split_once('`')?;
    let mut quoted = rest.split('`').skip(1).step_by(2).map(PathBuf::from);
    let manifest = quoted.find(|path| path.ends_with("Cargo.toml") && !path.exists())?;
    Some((name.to_string(), manifest))
}

fn parse(document: Json<'_>) -> Option<Metadata> {
    let packages = document.get("packages").list()?.map(|package| {
        let bins = package
            .get("targets")
            .list()?
            .filter(|target| target.get("kind").holds("bin"));
        let bins = bins
            .filter_map(|target| target.get("name").text().map(str::to_string))
            .collect();
        let mut dependencies = package.get("dependencies").list()?;
        Some(PackageInfo {
            name: package.get("name").text()?.to_string(),
            manifest: package.get("manifest_path").text()?.into(),
            bins,
            is_ebpf: dependencies
                .any(|dependency| dependency.get("name").text() == Some("hachi-ebpf")),
        })
    });
    Some(Metadata {
        packages: packages.collect::<Option<Vec<_>>>()?,
        workspace_root: document.get("workspace_root").text()?.into(),
        target_directory: document.get("target_directory").text()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_package_is_found() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let metadata = Metadata::read(dir).unwrap();
        let package = metadata.at(dir).unwrap();
        assert_eq!(package.name, "hachi-build");
        assert!(package.bins.is_empty());
        assert!(metadata.named("hachi-linker").is_some());
        assert!(metadata.workspace_root.join("Cargo.toml").is_file());
    }

    #[test]
    fn a_directory_without_a_package_is_an_error() {
        let error = Metadata::read(Path::new("/")).unwrap_err().to_string();
        assert!(error.contains("Cargo.toml"), "{error}");
    }

    #[test]
    fn a_missing_dependency_is_distinguished_from_other_errors() {
        let said = "error: failed to load manifest for workspace member `/p/wall`\n\
            referenced by workspace at `/p/Cargo.toml`\n\nCaused by:\n  \
            failed to load manifest for dependency `hachi`\n\nCaused by:\n  \
            failed to read `/no/such/crates/hachi/Cargo.toml`\n\nCaused by:\n  \
            No such file or directory (os error 2)\n";
        let manifest = PathBuf::from("/no/such/crates/hachi/Cargo.toml");
        assert_eq!(gone(said), Some(("hachi".to_string(), manifest)));
        // It is there, and wrong.
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let wrong = said.replace("/no/such/crates/hachi/Cargo.toml", here);
        assert_eq!(gone(&wrong), None);
        assert_eq!(gone("error: could not find `Cargo.toml` in `/`"), None);
    }

    #[test]
    fn answers_of_another_form_are_refused() {
        for text in [
            "{}",
            "[]",
            r#"{"packages":[{"name":1}]}"#,
            r#"{"packages":[],"workspace_root":3}"#,
        ] {
            let document = json::parse(text.as_bytes()).unwrap();
            assert!(parse(Json::of(&document)).is_none(), "{text}");
        }
    }
}
