//! Pins: things that outlive the process, on a BPF file system.

use std::{
    error::Error,
    ffi::NulError,
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::sys::SyscallError;

/// An error of pinning.
#[derive(Debug)]
pub enum PinError {
    /// What is to be pinned has no descriptor: it is not loaded.
    NoFd {
        /// Its name.
        name: String,
    },
    /// The path cannot be passed to the kernel.
    InvalidPinPath {
        /// The path.
        path: PathBuf,
        /// Why.
        error: NulError,
    },
    /// The system refused.
    SyscallError(SyscallError),
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinError::NoFd { name } => write!(f, "`{name}` is not loaded, so it has no descriptor"),
            PinError::InvalidPinPath { path, error } => {
                write!(f, "not a path to pin at: {}: {error}", path.display())
            }
            PinError::SyscallError(error) => write!(f, "{error}: {}", error.io_error),
        }
    }
}

impl Error for PinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            PinError::NoFd { .. } => None,
            PinError::InvalidPinPath { error, .. } => Some(error),
            PinError::SyscallError(error) => Some(error),
        }
    }
}

impl From<SyscallError> for PinError {
    fn from(error: SyscallError) -> Self {
        PinError::SyscallError(error)
    }
}

impl From<hachi::pin::PinError> for PinError {
    fn from(error: hachi::pin::PinError) -> Self {
        use hachi::pin::{PinError as Hachi, PinProblem};
        match error {
            Hachi::Unsuitable {
                problem: PinProblem::NotLoaded { program },
                ..
            } => PinError::NoFd { name: program },
            other => PinError::SyscallError(SyscallError {
                call: "BPF_OBJ_PIN",
                io_error: io_error(other),
            }),
        }
    }
}

/// With the errno where the system gave one, else with Hachi's words.
pub(crate) fn io_error(error: hachi::pin::PinError) -> io::Error {
    use hachi::pin::PinError as Hachi;
    let errno = match &error {
        Hachi::Syscall { error, .. } => error.errno(),
        Hachi::NotFound { .. } => libc::ENOENT,
        Hachi::Taken { .. } => libc::EEXIST,
        _ => 0,
    };
    match errno {
        0 => io::Error::other(error),
        errno => io::Error::from_raw_os_error(errno),
    }
}

/// The pins of a program, and which file each is: another's in the same place is not ours.
#[derive(Debug, Default)]
pub(crate) struct Pins(Vec<(PathBuf, File)>);

/// The device and the inode of a file.
type File = (u64, u64);

impl Pins {
    /// The one at a path.
    pub(crate) fn at(path: &Path) -> Self {
        let mut pins = Pins::default();
        pins.add(path);
        pins
    }

    /// One more, which was made or opened just now.
    pub(crate) fn add(&mut self, path: &Path) {
        if let Ok(file) = file(path) {
            self.0.push((path.into(), file));
        }
    }

    /// Removes all.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for (path, ours) in self.0.drain(..) {
            let removed = match file(&path) {
                Ok(found) if found != ours => Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("`{}` is another object's pin by now", path.display()),
                )),
                Ok(_) => fs::remove_file(&path),
                Err(error) => Err(error),
            };
            result = result.and(removed);
        }
        result
    }
}

fn file(path: &Path) -> io::Result<File> {
    let about = fs::symlink_metadata(path)?;
    Ok((about.dev(), about.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_file_is_removed() {
        let dir = std::env::temp_dir().join(format!("hachi-aya-pins-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let [ours, replaced] = ["ours", "replaced"].map(|name| dir.join(name));
        let mut pins = Pins::default();
        for path in [&ours, &replaced] {
            fs::write(path, "").unwrap();
            pins.add(path);
        }
        fs::write(dir.join("other"), "another's").unwrap();
        fs::rename(dir.join("other"), &replaced).unwrap();
        let error = pins.remove().unwrap_err();
        assert!(error.to_string().contains("another"), "{error}");
        assert!(!ours.exists() && replaced.exists());
        // There is nothing left to remove.
        pins.remove().unwrap();
        fs::remove_dir_all(&dir).unwrap();
    }
}
