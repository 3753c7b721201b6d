//! Aya's tool for bindings of the kernel's types, on top of Hachi.
//!
//! The command is used as Aya's:
//!
//! ```console
//! $ hachi-aya-tool generate task_struct > src/vmlinux.rs
//! ```
//!
//! It writes plain structures from type information (BTF), without a C compiler or bindgen: the
//! types named, and all that they are made of or point to. Offsets are those of the kernel whose
//! types were read. Programs of Hachi's own use `hachi bindgen`, whose fields are found on the
//! kernel that the program runs on.

mod layout;
mod write;

use std::{error, fmt, fs, io, path::Path, path::PathBuf};

use hachi_btf::Btf;

/// Bindings, by the name of Aya's module.
pub mod generate {
    pub use crate::{Error, InputFile, generate};
}

/// Where the running kernel shows its types.
pub const RUNNING: &str = "/sys/kernel/btf/vmlinux";

/// What is read.
#[derive(Debug)]
pub enum InputFile {
    /// Raw type information (BTF).
    Btf(PathBuf),
    /// A header in C, which this tool does not read.
    Header(PathBuf),
}

/// What can go wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not type information.
    Btf(hachi_btf::Error),
    /// There is no type of that name.
    Unknown(String),
    /// Headers are not read.
    Header(PathBuf),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::File { path, .. } => write!(f, "cannot read {}", path.display()),
            Error::Btf(_) => f.write_str("cannot read the types"),
            Error::Unknown(name) => write!(f, "there is no type `{name}`"),
            Error::Header(path) => write!(
                f,
                "{}: headers in C are not read, only type information (BTF)",
                path.display()
            ),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Error::File { error, .. } => Some(error),
            Error::Btf(error) => Some(error),
            Error::Unknown(_) | Error::Header(_) => None,
        }
    }
}

impl From<hachi_btf::Error> for Error {
    fn from(error: hachi_btf::Error) -> Self {
        Error::Btf(error)
    }
}

/// The types of these names, as Rust. Options of bindgen mean nothing here.
///
/// # Errors
/// When the file cannot be read or is a header, and for a name that it does not have.
pub fn generate<T: AsRef<str>>(
    input_file: InputFile,
    types: &[T],
    additional_flags: &[T],
) -> Result<String, Error> {
    let _ = additional_flags;
    let path = match input_file {
        InputFile::Btf(path) => path,
        InputFile::Header(path) => return Err(Error::Header(path)),
    };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return Err(Error::File { path, error }),
    };
    let btf = Btf::parse(&bytes)?;
    write::Writer::new(&btf).write(types)
}

/// Writes the text to a file.
///
/// # Errors
/// What the system refuses.
pub fn write_to_file<T: AsRef<Path>>(path: T, code: &str) -> io::Result<()> {
    fs::write(path, code)
}
