//! Opening object files, and what several commands say about them.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use hachi_obj::{Code, ProgramSpec, SourceLine, Spec, file};

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

/// No source file is as large as this.
const LARGEST_SOURCE: u64 = 16 << 20;

/// A file that an object names. Its author chose the name, so it may be that of a
/// device, of a pipe that nobody writes to, or of something huge.
fn read_source(path: &Path) -> Option<String> {
    file::read_text(path, LARGEST_SOURCE).ok()
}

/// Reads an object file.
pub fn open(path: &Path) -> Result<Object> {
    let shown = path.display();
    let bytes = hachi_linker::read_file(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(format!("there is no object {shown}"))
            .help("`hachi build` prints the paths of what it builds"),
        io::ErrorKind::IsADirectory => {
            Failure::new(format!("{shown} is a directory, not an object"))
                .help(format!("build it first: hachi build {shown}"))
        }
        _ => Failure::because(format!("reading {shown}"), &error),
    })?;
    let size = bytes.len();
    let is_source = path.extension().is_some_and(|extension| extension == "rs")
        || path.file_name().is_some_and(|name| name == "Cargo.toml");
    let mut spec = Spec::parse_vec(bytes).map_err(|error| match is_source {
        true => Failure::new(format_args!("{shown} is source, not an object"))
            .help(format_args!("build it first: hachi build {shown}")),
        false => Failure::because(shown, &error),
    })?;
    spec.name = path
        .file_stem()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok(Object {
        path: path.to_path_buf(),
        size,
        spec,
    })
}

impl Object {
    /// The programs of these names (or sections); all when there are none.
    pub fn select(&self, names: &[String]) -> Result<Vec<&ProgramSpec>> {
        if names.is_empty() {
            return Ok(self.spec.programs.iter().collect());
        }
        names.iter().map(|name| self.program(name)).collect()
    }

    /// The program of this name (or section), which the user gave: another one is wrong usage.
    pub fn program(&self, name: &str) -> Result<&ProgramSpec> {
        self.spec
            .program(name)
            .map_err(|error| Failure::usage(format_args!("{}: {error}", self.path.display())))
    }
}

impl Object {
    /// A program's code with that of the functions it calls.
    pub fn code<'p>(&self, program: &'p ProgramSpec) -> Result<Cow<'p, Code>> {
        let code = program.code();
        code.map_err(|error| Failure::because(self.path.display(), &error))
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
pub fn source_text(line: SourceLine<'_>) -> String {
    if !line.text.is_empty() {
        return line.text.trim_end().replace('\t', "    ");
    }
    read_source(Path::new(line.file))
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
    fn files_that_objects_name_are_read_only_if_they_are_plain() {
        let dir = hachi_test::TempDir::new().unwrap();
        let pipe = dir.join("pipe");
        let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
        // SAFETY: a string that lives through the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let huge = dir.join("huge");
        std::fs::File::create(&huge)
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let devices = ["/dev/zero", "/dev/tty", "/dev/full"].map(PathBuf::from);
        for path in devices.iter().chain([&pipe, &huge]) {
            assert_eq!(read_source(path), None, "{}", path.display());
        }
        let plain = dir.join("plain.rs");
        std::fs::write(&plain, "fn main() {}\n").unwrap();
        assert_eq!(read_source(&plain).unwrap(), "fn main() {}\n");
    }

    #[test]
    fn files_are_shortened() {
        assert_eq!(short_file("core/src/num/mod.rs"), "core/src/num/mod.rs");
        let here = std::env::current_dir().unwrap().join("src/main.rs");
        assert_eq!(short_file(here.to_str().unwrap()), "src/main.rs");
    }
}
