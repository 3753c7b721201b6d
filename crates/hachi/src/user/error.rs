//! Why a place in a program or library cannot be found.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::target::{BinaryProblem, NoSuchTarget};

/// An error of looking into a program, a library or a process.
#[derive(Debug)]
pub(crate) enum PlaceError {
    /// There is no such process, file, function or probe.
    NoSuch(NoSuchTarget),
    /// The binary exists and cannot be probed there.
    Unusable {
        path: PathBuf,
        problem: BinaryProblem,
    },
    /// A file cannot be read, or is not what it should be.
    Io { file: PathBuf, error: io::Error },
}

pub(crate) type Result<T, E = PlaceError> = std::result::Result<T, E>;

impl PlaceError {
    pub(crate) fn unusable(path: &Path, problem: BinaryProblem) -> Self {
        PlaceError::Unusable {
            path: path.to_owned(),
            problem,
        }
    }

    pub(super) fn io(file: impl Into<PathBuf>, error: io::Error) -> Self {
        PlaceError::Io {
            file: file.into(),
            error,
        }
    }
}

impl From<NoSuchTarget> for PlaceError {
    fn from(error: NoSuchTarget) -> Self {
        PlaceError::NoSuch(error)
    }
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlaceError::NoSuch(error) => write!(f, "{error}"),
            PlaceError::Unusable { path, problem } => {
                write!(f, "{}: {problem}", path.display())
            }
            PlaceError::Io { file, error } => write!(f, "{}: {error}", file.display()),
        }
    }
}

impl std::error::Error for PlaceError {}
