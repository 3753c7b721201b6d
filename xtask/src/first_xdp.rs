//! `examples/first-xdp`: what `hachi new first-xdp` writes, kept so that the book can quote it.

use crate::shell::{Result, capture, cargo, root, target_dir};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The project's name.
pub const NAME: &str = "first-xdp";

/// Checks that the example is what the command wrote to `project`.
pub fn compare(project: &Path) -> Result {
    let written = files(project)?;
    for path in &written {
        let wanted = adapted(&project.join(path))?;
        let example = root().join("examples").join(NAME).join(path);
        if fs::read_to_string(&example).ok().as_ref() != Some(&wanted) {
            let path = path.display();
            let message = "is not what `hachi new` writes; `cargo xtask first-xdp` writes it again";
            return Err(format!("examples/{NAME}/{path} {message}").into());
        }
    }
    Ok(())
}

/// Writes the example again.
pub fn write() -> Result {
    capture(cargo(root()).args(["build", "--quiet", "--package", "hachi-cli"]))?;
    let directory = hachi_test::TempDir::new()?;
    let mut new = Command::new(target_dir().join("debug/hachi"));
    new.args(["new", NAME, "--template", "xdp"]);
    capture(new.current_dir(directory.path()))?;
    let project = directory.join(NAME);
    for path in files(&project)? {
        let example = root().join("examples").join(NAME).join(&path);
        fs::create_dir_all(example.parent().unwrap_or(root()))?;
        fs::write(&example, adapted(&project.join(&path))?)?;
    }
    Ok(())
}

/// A file of the project, with this checkout named as the example reaches it.
fn adapted(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path)?;
    Ok(text.replace(&root().display().to_string(), "../.."))
}

/// The files below `directory`, by their paths in it.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(path) = todo.pop() {
        for entry in fs::read_dir(directory.join(&path))? {
            let entry = entry?;
            let path = path.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                todo.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
