//! Why a link failed.

use std::fmt;
use std::path::PathBuf;

use crate::Diagnostic;

/// Why a link failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The command line makes no sense.
    Usage(String),
    /// A file cannot be read or written.
    Io {
        /// "read", "write", "create"…
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An input file is none of the kinds that can be linked.
    Input {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The compiler's LLVM was not found.
    LlvmNotFound {
        /// The compiler whose library was looked for.
        compiler: String,
        /// Places looked at.
        tried: Vec<PathBuf>,
    },
    /// A library was found but cannot be used.
    LlvmUnusable {
        /// The library.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The program cannot become an eBPF object; each diagnostic says why, in Rust's terms.
    Rejected(Vec<Diagnostic>),
    /// The process that runs LLVM could not be started.
    Process(std::io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text) => f.write_str(text),
            Error::Io {
                action,
                path,
                source,
            } => write!(f, "cannot {action} `{}`: {source}", path.display()),
            Error::Input { path, reason } => {
                write!(f, "cannot link `{}`: {reason}", path.display())
            }
            Error::LlvmNotFound { compiler, tried } => write!(
                f,
                "cannot find the LLVM library of `{compiler}`{}\n  = help: name it with `HACHI_LLVM=/path/to/libLLVM.so` or `--llvm PATH`; it must be as new as the compiler's own (see `rustc -vV`)",
                tried_list(tried)
            ),
            Error::LlvmUnusable { path, reason } => write!(
                f,
                "cannot use the LLVM library `{}`: {reason}",
                path.display()
            ),
            Error::Rejected(list) => f.write_str(&join(list)),
            Error::Process(error) => write!(f, "cannot start the process that runs LLVM: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Error {
    /// The diagnostics behind this error; empty unless it is [`Error::Rejected`].
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Error::Rejected(list) => list,
            _ => &[],
        }
    }
}

fn join(list: &[Diagnostic]) -> String {
    let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
    texts.join("\n\n")
}

fn tried_list(tried: &[PathBuf]) -> String {
    tried
        .iter()
        .map(|path| format!("\n  = note: not at {}", path.display()))
        .collect()
}
