//! Pins: things that outlive the process, on a BPF file system.

use std::{error::Error, ffi::NulError, fmt, io, path::PathBuf};

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
