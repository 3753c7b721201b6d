//! Why a toolchain was not found or a build failed.

use std::path::PathBuf;

/// Why a toolchain was not found or a build failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory cannot be used.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// "read", "write", "create"…
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program that is needed cannot be started.
    #[error("cannot run `{program}`: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
}
