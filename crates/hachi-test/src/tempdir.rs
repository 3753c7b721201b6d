//! Temporary directories, and tidying up after runs that were killed.

use crate::error::{Error, Result};
use crate::maker::Maker;
use crate::sys;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What all our directories are called: `hachi-test.PID.NUMBER`.
const PREFIX: &str = "hachi-test";

/// A name that nobody else has while this process lives.
pub(crate) fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}.{}.{number}", std::process::id())
}

/// The entries of `directory` with our kind of name whose process is gone.
pub(crate) fn stale_entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let owner_gone = |name: &str| {
        let pid = name
            .strip_prefix(PREFIX)?
            .strip_prefix('.')?
            .split('.')
            .next()?;
        Some(!sys::process_exists(pid.parse().ok()?))
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().and_then(owner_gone) == Some(true))
        .map(|entry| entry.path())
        .collect()
}

/// A directory of our own, removed with all it holds on drop.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    maker: Maker,
}

impl TempDir {
    /// Makes one in the system's temporary directory.
    ///
    /// # Errors
    /// When that cannot be written to.
    pub fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(unique_name());
        std::fs::create_dir(&path)
            .map_err(Error::during(format!("creating {}", path.display())))?;
        Ok(Self {
            path,
            maker: Maker::this(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Shorthand for `path().join(name)`.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if !self.maker.is_this() {
            return;
        }
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dead_owners_are_stale() {
        let parent = TempDir::new().unwrap();
        // No process has the highest id that fits: pid_max is at most 2^22.
        let dead = parent.join(format!("{PREFIX}.2147483647.0"));
        let alive = parent.join(format!("{PREFIX}.{}.7", std::process::id()));
        for path in [
            &dead,
            &alive,
            &parent.join("hachi-tester"),
            &parent.join("x.1.2"),
        ] {
            std::fs::create_dir(path).unwrap();
        }
        assert_eq!(stale_entries(parent.path()), [dead]);
    }
}
