//! The kernel's types.

use std::{error::Error, fmt, io, path::Path, path::PathBuf};

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Types of the kernel, which programs are relocated against.
#[derive(Clone, Debug)]
pub struct Btf(pub(crate) hachi::Btf);

impl Btf {
    /// The running kernel's types.
    ///
    /// # Errors
    /// [`BtfError::FileError`] when the kernel does not show them (Linux < 5.4, or without
    /// CONFIG_DEBUG_INFO_BTF).
    pub fn from_sys_fs() -> Result<Self, BtfError> {
        hachi::Btf::from_sys_fs()
            .map(Btf)
            .map_err(|error| file(VMLINUX, error))
    }

    /// The types in a file of raw BTF, or of an ELF file with a section of it.
    ///
    /// # Errors
    /// [`BtfError::FileError`] when it cannot be read or understood.
    pub fn parse_file<P: AsRef<Path>>(path: P, _: crate::Endianness) -> Result<Self, BtfError> {
        let path = path.as_ref();
        hachi::Btf::parse_file(path)
            .map(Btf)
            .map_err(|error| file(path, error))
    }

    /// Types from the bytes of raw BTF.
    ///
    /// # Errors
    /// [`BtfError::InvalidHeader`] when they are not.
    pub fn parse(data: &[u8], _: crate::Endianness) -> Result<Self, BtfError> {
        hachi::Btf::parse(data)
            .map(Btf)
            .map_err(|_| BtfError::InvalidHeader)
    }
}

fn file(path: impl AsRef<Path>, error: io::Error) -> BtfError {
    BtfError::FileError {
        path: path.as_ref().to_owned(),
        error,
    }
}

/// An error about types.
#[derive(Debug)]
#[non_exhaustive]
pub enum BtfError {
    /// A file cannot be read.
    FileError {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What was given is not BTF.
    InvalidHeader,
    /// There is no type of that name.
    UnknownBtfTypeName {
        /// The name.
        type_name: String,
    },
    /// The kernel refused the object's types.
    LoadError {
        /// Its answer.
        io_error: io::Error,
    },
}

impl fmt::Display for BtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BtfError::FileError { path, error } => {
                write!(f, "cannot read types from {}: {error}", path.display())
            }
            BtfError::InvalidHeader => f.write_str("the bytes are not BTF"),
            BtfError::UnknownBtfTypeName { type_name } => {
                write!(f, "the kernel has no type `{type_name}`")
            }
            BtfError::LoadError { io_error } => {
                write!(f, "the kernel refused the object's types: {io_error}")
            }
        }
    }
}

impl Error for BtfError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BtfError::FileError { error, .. } => Some(error),
            BtfError::LoadError { io_error } => Some(io_error),
            BtfError::InvalidHeader | BtfError::UnknownBtfTypeName { .. } => None,
        }
    }
}
