//! A BPF filesystem to pin in.

use crate::error::{Error, Result};
use crate::maker::Maker;
use crate::sys;
use crate::tempdir::{self, unique_name};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A BPF filesystem of our own, mounted on a temporary directory; on drop it is unmounted, which
/// drops every pin in it.
#[derive(Debug)]
pub struct Bpffs {
    path: PathBuf,
    maker: Maker,
}

impl Bpffs {
    /// Mounts one. Mounts that killed runs left behind are taken away first.
    ///
    /// # Errors
    /// Without `CAP_SYS_ADMIN`, or on a kernel without BPF.
    pub fn new() -> Result<Self> {
        let parent = std::env::temp_dir();
        for stale in tempdir::stale_entries(&parent) {
            // Not a mount (a plain temporary directory): the unmount fails, and the directory is
            // only removed if it is empty. Nothing of another kind can be lost here.
            let _ = c_path(&stale).and_then(|path| sys::umount_detach(&path).ok());
            let _ = std::fs::remove_dir(&stale);
        }
        let path = parent.join(unique_name());
        std::fs::create_dir(&path)
            .map_err(Error::during(format!("creating {}", path.display())))?;
        let made = Self {
            path,
            maker: Maker::this(),
        };
        let target = c_path(&made.path).unwrap_or_default();
        sys::mount_bpffs(&target).map_err(Error::during(format!(
            "mounting a BPF filesystem on {}",
            made.path.display()
        )))?;
        Ok(made)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Shorthand for `path().join(name)`.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        if !self.maker.is_this() {
            return;
        }
        if let Some(path) = c_path(&self.path) {
            let _ = sys::umount_detach(&path);
        }
        let _ = std::fs::remove_dir(&self.path);
    }
}

fn c_path(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounted_then_gone() {
        crate::require_bpf!();
        let fs = Bpffs::new().unwrap();
        let path = fs.path().to_owned();
        let mounted = || {
            let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
            let target = path.to_str().unwrap();
            mounts
                .lines()
                .any(|line| line.split(' ').nth(1) == Some(target) && line.contains(" bpf "))
        };
        assert!(mounted());
        std::fs::create_dir(fs.join("directory")).unwrap();
        drop(fs);
        assert!(!mounted());
        assert!(!path.exists());
    }
}
