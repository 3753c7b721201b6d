//! What a migration does to files: all of it, or none.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::{Failure, Result};

/// One file that is to be another or to go.
#[derive(Debug)]
pub struct Change {
    pub path: PathBuf,
    pub before: String,
    /// Its new text; `None` when it is removed.
    pub after: Option<String>,
    /// What was done, in words.
    pub what: Vec<String>,
}

impl Change {
    /// The change as a unified diff, with paths from `root` on.
    pub fn diff(&self, root: &Path) -> String {
        let path = self.path.strip_prefix(root).unwrap_or(&self.path);
        let (old, new) = (
            format!("a/{}", path.display()),
            format!("b/{}", path.display()),
        );
        let (new, after) = match &self.after {
            Some(after) => (new.as_str(), after.as_str()),
            None => ("/dev/null", ""),
        };
        similar::TextDiff::from_lines(self.before.as_str(), after)
            .unified_diff()
            .context_radius(2)
            .header(&old, new)
            .to_string()
    }
}

/// Something that a person has to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
    pub what: String,
}

impl Left {
    /// About the first line of `text` that holds `words`, else the first of all.
    pub fn at(path: &Path, text: &str, words: &str, what: impl Into<String>) -> Left {
        let line = text.lines().position(|line| line.contains(words));
        Left {
            path: path.into(),
            line: line.unwrap_or(0) + 1,
            what: what.into(),
        }
    }
}

/// Makes all changes. After a failure all files are as they were.
pub fn apply(changes: &[Change]) -> Result {
    // First what can fail for lack of space or rights, beside the files; then only renames.
    let mut prepared = Vec::new();
    for change in changes {
        let file = prepare(change).map_err(|error| failed("writing", &change.path, &error))?;
        prepared.push(file);
    }
    let mut done: Vec<&Change> = Vec::new();
    for (change, file) in changes.iter().zip(prepared) {
        let changed = match file {
            Some(file) => file
                .persist(&change.path)
                .map(drop)
                .map_err(|error| error.error),
            None => fs::remove_file(&change.path),
        };
        if let Err(error) = changed {
            for change in done {
                let restored = fs::write(&change.path, &change.before);
                restored.map_err(|error| failed("restoring", &change.path, &error))?;
            }
            return Err(failed("replacing", &change.path, &error));
        }
        done.push(change);
    }
    Ok(())
}

fn prepare(change: &Change) -> io::Result<Option<NamedTempFile>> {
    let directory = change.path.parent().unwrap_or(Path::new("."));
    let Some(after) = &change.after else {
        // Whether it may go is decided by its directory, which a temporary file asks.
        NamedTempFile::new_in(directory)?;
        return Ok(None);
    };
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(after.as_bytes())?;
    file.as_file()
        .set_permissions(fs::metadata(&change.path)?.permissions())?;
    // Some file systems tell only now that they are full.
    file.as_file().sync_all()?;
    Ok(Some(file))
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::because(format!("{doing} {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: PathBuf, after: Option<&str>) -> Change {
        Change {
            before: fs::read_to_string(&path).unwrap_or_default(),
            path,
            after: after.map(str::to_owned),
            what: Vec::new(),
        }
    }

    #[test]
    fn a_failure_in_between_undoes_earlier_changes() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        // A directory is no file that can be removed.
        fs::remove_file(dir.path().join("c")).unwrap();
        fs::create_dir(dir.path().join("c")).unwrap();
        let changes = [
            change(dir.path().join("a"), Some("new")),
            change(dir.path().join("b"), None),
            change(dir.path().join("c"), None),
        ];
        let failure = apply(&changes).unwrap_err();
        assert!(failure.message.contains("replacing"), "{}", failure.message);
        for name in ["a", "b"] {
            assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), name);
        }
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            3,
            "no temporary file stays"
        );
    }

    #[test]
    fn a_diff_shows_removed_and_added_lines() {
        let change = Change {
            path: "/p/x/Cargo.toml".into(),
            before: "a\nb\n".into(),
            after: Some("a\nc\n".into()),
            what: Vec::new(),
        };
        let diff = change.diff(Path::new("/p"));
        assert_eq!(
            diff,
            "--- a/x/Cargo.toml\n+++ b/x/Cargo.toml\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
        );
    }
}
