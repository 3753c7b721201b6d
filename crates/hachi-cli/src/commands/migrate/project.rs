//! The files of a project that a migration looks at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

/// Longer files are not looked into: they were not written by hand.
const LONGEST: u64 = 1 << 20;

/// A text file of the project.
#[derive(Debug)]
pub struct File {
    pub path: PathBuf,
    pub text: String,
}

/// What kind of file this is, as far as a migration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Manifest,
    /// `.cargo/config.toml`.
    Config,
    /// `rust-toolchain` or `rust-toolchain.toml`.
    Toolchain,
    /// Rust source.
    Source,
    Lock,
    /// Scripts, workflows and texts.
    Other,
}

/// All files that matter, by role, in the order of their paths.
#[derive(Debug)]
pub struct Project {
    files: Vec<(Role, File)>,
}

impl Project {
    /// Reads the project in `root`.
    pub fn read(root: &Path) -> Result<Project> {
        let mut project = Project { files: Vec::new() };
        project.walk(root)?;
        project.files.sort_by(|a, b| a.1.path.cmp(&b.1.path));
        Ok(project)
    }

    /// The files of one role.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &File> {
        let of_role = move |(its, file)| (its == role).then_some(file);
        self.files
            .iter()
            .map(|(role, file)| (*role, file))
            .filter_map(of_role)
    }

    /// The Rust sources in this directory and below.
    pub fn sources_below<'p>(&'p self, dir: &'p Path) -> impl Iterator<Item = &'p File> {
        self.of(Role::Source)
            .filter(move |file| file.path.starts_with(dir))
    }

    fn walk(&mut self, dir: &Path) -> Result {
        let failed =
            |error: &io::Error| Failure::because(format!("looking into {}", dir.display()), error);
        for entry in fs::read_dir(dir).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            let path = entry.path();
            // Links are not followed: what they lead to is found where it is, or is another's.
            let kind = entry.file_type().map_err(|error| failed(&error))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if kind.is_dir() {
                if !is_skipped(&path, &name) {
                    self.walk(&path)?;
                }
            } else if kind.is_file()
                && let Some(role) = role(&path, &name)
            {
                self.take(role, path)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, role: Role, path: PathBuf) -> Result {
        let failed =
            |error: &io::Error| Failure::because(format!("reading {}", path.display()), error);
        let length = fs::metadata(&path).map_err(|error| failed(&error))?.len();
        let matters = matches!(role, Role::Manifest | Role::Config | Role::Toolchain);
        if length > LONGEST && role != Role::Lock && !matters {
            return Ok(());
        }
        match fs::read_to_string(&path) {
            Ok(text) => self.files.push((role, File { path, text })),
            // Not text, so nothing for us; cargo would not read such a manifest either.
            Err(error) if error.kind() == io::ErrorKind::InvalidData && !matters => {}
            Err(error) => return Err(failed(&error)),
        }
        Ok(())
    }
}

/// Directories that hold nothing of the project's own.
fn is_skipped(path: &Path, name: &str) -> bool {
    match name {
        ".cargo" | ".github" => false,
        "target" | "node_modules" => true,
        _ => name.starts_with('.') || path.join("CACHEDIR.TAG").is_file(),
    }
}

fn role(path: &Path, name: &str) -> Option<Role> {
    let parent = path.parent().and_then(Path::file_name);
    Some(match name {
        "Cargo.toml" => Role::Manifest,
        "Cargo.lock" => Role::Lock,
        "rust-toolchain" | "rust-toolchain.toml" => Role::Toolchain,
        "config" | "config.toml" if parent.is_some_and(|dir| dir == ".cargo") => Role::Config,
        "Makefile" | "makefile" | "justfile" | "Justfile" | "Dockerfile" | "Containerfile" => {
            Role::Other
        }
        _ => match path.extension()?.to_str()? {
            "rs" => Role::Source,
            "md" | "yml" | "yaml" | "sh" | "mk" | "nix" | "toml" | "just" => Role::Other,
            _ => return None,
        },
    })
}
