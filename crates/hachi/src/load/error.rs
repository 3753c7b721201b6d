//! What can go wrong with loading an object.

use std::{fmt, io, path::PathBuf};

use hachi_obj::kconfig::LineError;

use super::ProgramError;
use crate::maps::MapError;

/// An error of loading an object.
#[derive(Debug)]
#[non_exhaustive]
pub enum EbpfError {
    /// The file cannot be read.
    FileError {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },

    /// The object cannot be understood.
    ParseError {
        /// The file, or `object` when it was given as bytes.
        object: String,
        /// What is wrong with it.
        error: hachi_obj::Error,
    },

    /// The object does not fit this machine, or an edit does not fit the object.
    SpecError(hachi_obj::Error),

    /// A map cannot be created.
    MapError(MapError),

    /// The text given to [`EbpfLoader::kernel_config`] is no kernel configuration.
    ///
    /// [`EbpfLoader::kernel_config`]: crate::EbpfLoader::kernel_config
    KernelConfig(LineError),

    /// Something about a program failed.
    ProgramError(ProgramError),
}

impl fmt::Display for EbpfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EbpfError::FileError { path, error } => {
                write!(f, "cannot read {path}: {error}", path = path.display())
            }
            EbpfError::ParseError { object, error } => write!(f, "{object}: {error}"),
            EbpfError::SpecError(error) => write!(f, "{error}"),
            EbpfError::MapError(error) => write!(f, "{error}"),
            EbpfError::KernelConfig(error) => {
                write!(f, "the kernel configuration given to the loader: {error}")
            }
            EbpfError::ProgramError(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for EbpfError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            EbpfError::SpecError(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

impl From<hachi_obj::Error> for EbpfError {
    fn from(error: hachi_obj::Error) -> Self {
        EbpfError::SpecError(error)
    }
}

impl From<MapError> for EbpfError {
    fn from(error: MapError) -> Self {
        EbpfError::MapError(error)
    }
}

impl From<ProgramError> for EbpfError {
    fn from(error: ProgramError) -> Self {
        EbpfError::ProgramError(error)
    }
}
