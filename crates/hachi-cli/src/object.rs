//! Opening object files, and what several commands say about them.

use std::io;
use std::path::{Path, PathBuf};

use hachi_obj::{LineInfo, ProgramSpec, Spec};

use crate::failure::{Failure, Result};

/// An object file, read.
pub struct Object {
    /// As the user named it.
    pub path: PathBuf,
    /// Bytes of the file.
    pub size: usize,
    /// Its contents.
    pub spec: Spec,
}

/// Reads an object file.
pub fn open(path: &Path) -> Result<Object> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(format!("there is no object {shown}"))
            .help("`hachi build` prints the paths of what it builds"),
        io::ErrorKind::IsADirectory => {
            Failure::new(format!("{shown} is a directory, not an object"))
                .help(format!("build it first: hachi build {shown}"))
        }
        _ => Failure::because(format!("reading {shown}"), &error),
    })?;
    let mut spec = Spec::parse(&bytes).map_err(|error| Failure::because(shown, &error))?;
    spec.name = path
        .file_stem()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok(Object {
        path: path.to_path_buf(),
        size: bytes.len(),
        spec,
    })
}

impl Object {
    /// The programs of these names (or sections); all when there are none.
    pub fn select(&self, names: &[String]) -> Result<Vec<&ProgramSpec>> {
        if names.is_empty() {
            return Ok(self.spec.programs.iter().collect());
        }
        names
            .iter()
            .map(|name| {
                self.spec
                    .program(name)
                    .map_err(|error| Failure::because(self.path.display(), &error))
            })
            .collect()
    }
}

/// A source file's name for people: relative to where they stand. (Objects that Hachi links have
/// short names already.)
pub fn short_file(file: &str) -> String {
    if let Ok(here) = std::env::current_dir()
        && let Ok(relative) = Path::new(file).strip_prefix(&here)
    {
        return relative.display().to_string();
    }
    file.to_string()
}

/// The text of a source line: from the object, or from the file when it is there.
pub fn source_text(line: &LineInfo) -> String {
    if !line.text.is_empty() {
        return line.text.trim_end().replace('\t', "    ");
    }
    std::fs::read_to_string(&*line.file)
        .ok()
        .and_then(|text| {
            text.lines()
                .nth(line.line.checked_sub(1)? as usize)
                .map(|line| line.replace('\t', "    "))
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_shortened() {
        assert_eq!(short_file("core/src/num/mod.rs"), "core/src/num/mod.rs");
        let here = std::env::current_dir().unwrap().join("src/main.rs");
        assert_eq!(short_file(here.to_str().unwrap()), "src/main.rs");
    }
}
