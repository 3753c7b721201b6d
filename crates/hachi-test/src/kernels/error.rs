//! What can go wrong with kernels and guests.

use std::io;
use std::path::{Path, PathBuf};

/// Why a kernel was not to be had, or a guest did not run.
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
        source: io::Error,
    },
    /// The cache or the package archive.
    #[error(transparent)]
    Archive(#[from] hachi_build::Error),
    /// The machine does not get its packages from Debian.
    #[error(
        "kernels come from Debian's package archive, and this machine's apt is not set up for it ({found})"
    )]
    NotDebian {
        /// What the machine is instead.
        found: String,
    },
    /// No suite has such a kernel.
    #[error("no kernel {version} among the cloud kernels of {}", looked_at.join(", "))]
    NoSuchKernel {
        /// The version asked for.
        version: String,
        /// The suites looked at, and which of them could not be reached.
        looked_at: Vec<String>,
    },
    /// A downloaded file is not what it should be.
    #[error("`{}` is not understood: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A program that is needed is not installed.
    #[error("`{program}` is not installed, which {purpose}")]
    Missing {
        /// The program.
        program: &'static str,
        /// What it is for.
        purpose: &'static str,
        /// The command that installs it.
        fix: &'static str,
    },
    /// The machine's processor is not the guests'.
    #[error("other kernels run only on x86-64 so far, as their test programs are this machine's")]
    Architecture,
    /// The guest ended before its work was done, again and again.
    #[error("kernel {release}: {problem}")]
    Guest {
        /// The kernel.
        release: String,
        /// What happened, with what the console showed last.
        problem: String,
    },
}

/// `Result` with this module's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says which file an I/O error is about.
pub(super) trait IoContext<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io {
            action,
            path: path.into(),
            source,
        })
    }
}
