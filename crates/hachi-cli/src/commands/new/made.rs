//! What a run has made so far: a project is whole or not there.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

/// Name of a project that is not complete; the number of the process that makes it follows.
pub(super) const UNFINISHED: &str = ".hachi-new-";

/// Whether there is an empty directory: `false` when there is nothing, an error when there is
/// something else.
pub(super) fn is_empty_directory(dir: &Path) -> Result<bool> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let place = dir.ancestors().find(|place| place.is_file());
            let place = place.unwrap_or(dir).display();
            return Err(Failure::new(format!("{place} is a file"))
                .help("choose another name, or another place with --dir"));
        }
        Err(error) => {
            return Err(Failure::because(
                format!("looking into {}", dir.display()),
                &error,
            ));
        }
    };
    // What a killed run left is not the user's.
    let mut names = entries.flatten().map(|entry| entry.file_name());
    match names.any(|name| !name.to_string_lossy().starts_with(UNFINISHED)) {
        false => Ok(true),
        true => Err(
            Failure::new(format!("{} exists and is not empty", dir.display()))
                .help("choose another name, or another place with --dir"),
        ),
    }
}

/// Writes a file below `root`, and the directories between them. Asks the disk, since some file
/// systems tell only then that they are full.
pub(super) fn write(root: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut directories: Vec<&Path> = path.ancestors().skip(1).collect();
    directories.reverse();
    for directory in directories {
        match fs::create_dir(root.join(directory)) {
            // Only we know of the root.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
    }
    let mut file = fs::File::create(root.join(path))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Whether the process that was making a project here has ended.
fn is_abandoned(dir: &Path) -> bool {
    let lock = fs::symlink_metadata(dir).and_then(|about| match about.is_dir() {
        true => fs::File::open(dir),
        false => Err(io::ErrorKind::NotADirectory.into()),
    });
    lock.is_ok_and(|lock| lock.try_lock().is_ok())
}

/// What was made so far, removed on drop unless it is kept.
#[derive(Default)]
pub(super) struct Made {
    /// Directories above the project, in the order in which they were made. Others may use them by
    /// now.
    above: Vec<PathBuf>,
    /// Files and directories of the project.
    ours: Vec<PathBuf>,
    /// Locks the directory of the unfinished project for as long as its process lives.
    lock: Option<fs::File>,
}

impl Made {
    /// Makes a directory and those above it.
    pub(super) fn directories(&mut self, dir: &Path) -> io::Result<()> {
        let mut missing = Vec::new();
        for place in dir.ancestors() {
            if place.as_os_str().is_empty() || place.try_exists()? {
                break;
            }
            missing.push(place);
        }
        for place in missing.into_iter().rev() {
            fs::create_dir(place)?;
            self.above.push(place.to_path_buf());
        }
        Ok(())
    }

    /// Makes the directory of the unfinished project, and removes those of runs that were killed.
    pub(super) fn unfinished(&mut self, dir: &Path) -> io::Result<()> {
        let siblings = fs::read_dir(dir.parent().unwrap_or(dir))?;
        for sibling in siblings.flatten() {
            let name = sibling.file_name();
            let process = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED));
            if process.is_some_and(|process| process.parse::<u32>().is_ok())
                && is_abandoned(&sibling.path())
            {
                fs::remove_dir_all(sibling.path())?;
            }
        }
        fs::create_dir(dir)?;
        self.ours.push(dir.to_path_buf());
        let lock = fs::File::open(dir)?;
        // Where directories cannot be locked, nobody takes this one for abandoned.
        let _ = lock.try_lock();
        self.lock = Some(lock);
        Ok(())
    }

    /// Moves all that is in `from` into `dir`, the manifest last: without it there is no project.
    pub(super) fn fill(&mut self, from: &Path, dir: &Path) -> io::Result<()> {
        let entries = fs::read_dir(from)?.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names = entries.collect::<io::Result<Vec<_>>>()?;
        names.sort_by_key(|name| name == "Cargo.toml");
        for name in names {
            let place = dir.join(&name);
            fs::rename(from.join(&name), &place)?;
            self.ours.push(place);
        }
        fs::remove_dir(from)
    }

    pub(super) fn keep(mut self) {
        self.above.clear();
        self.ours.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // The failure that led here is reported; a second one would only hide it.
        for place in self.ours.iter().rev() {
            let _ = match place.is_dir() {
                true => fs::remove_dir_all(place),
                false => fs::remove_file(place),
            };
        }
        for place in self.above.iter().rev() {
            let _ = fs::remove_dir(place);
        }
    }
}
