//! Why a place in a program or library cannot be found.

use std::{fmt, io};

/// An error of looking into a program, a library or a process.
#[derive(Debug)]
pub(crate) enum PlaceError {
    /// There is no such process, file, function or probe.
    NoSuch {
        what: &'static str,
        name: String,
        /// The rest of the sentence; or empty.
        hint: String,
    },
    /// It is there and cannot be used.
    Unusable(String),
    /// A file cannot be read, or is not what it should be.
    Io { file: String, error: io::Error },
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlaceError::NoSuch { what, name, hint } => {
                write!(f, "there is no {what} {name:?}{hint}")
            }
            PlaceError::Unusable(text) => f.write_str(text),
            PlaceError::Io { file, error } => write!(f, "{file}: {error}"),
        }
    }
}

impl std::error::Error for PlaceError {}

pub(crate) type Result<T, E = PlaceError> = std::result::Result<T, E>;

impl PlaceError {
    pub(super) fn no_such(what: &'static str, name: &str, hint: String) -> Self {
        PlaceError::NoSuch {
            what,
            name: name.to_owned(),
            hint,
        }
    }

    pub(super) fn io(file: impl Into<String>, error: io::Error) -> Self {
        PlaceError::Io {
            file: file.into(),
            error,
        }
    }
}
