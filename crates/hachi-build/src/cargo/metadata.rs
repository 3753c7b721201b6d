//! The packages of a workspace, as `cargo metadata` tells them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

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
    /// Reads the workspace that the directory belongs to. Needs no network: dependencies are not resolved.
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
            return Err(failed(
                String::from_utf8_lossy(&answer.stderr)
                    .trim_end()
                    .to_string(),
            ));
        }
        serde_json::from_slice::<Value>(&answer.stdout)
            .ok()
            .and_then(|value| parse(&value))
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

fn parse(value: &Value) -> Option<Metadata> {
    let path = |value: &Value| value.as_str().map(PathBuf::from);
    let packages = value["packages"]
        .as_array()?
        .iter()
        .map(|package| {
            let bins = package["targets"]
                .as_array()?
                .iter()
                .filter(|target| {
                    target["kind"]
                        .as_array()
                        .is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"))
                })
                .filter_map(|target| target["name"].as_str().map(str::to_string))
                .collect();
            let is_ebpf = package["dependencies"]
                .as_array()?
                .iter()
                .any(|dependency| dependency["name"] == "hachi-ebpf");
            Some(PackageInfo {
                name: package["name"].as_str()?.to_string(),
                manifest: path(&package["manifest_path"])?,
                bins,
                is_ebpf,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Metadata {
        packages,
        workspace_root: path(&value["workspace_root"])?,
        target_directory: path(&value["target_directory"])?,
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
    fn answers_of_another_form_are_refused() {
        for text in [
            "{}",
            "[]",
            r#"{"packages":[{"name":1}]}"#,
            r#"{"packages":[],"workspace_root":3}"#,
        ] {
            assert!(
                parse(&serde_json::from_str(text).unwrap()).is_none(),
                "{text}"
            );
        }
    }
}
