//! Why a link failed.

use std::path::PathBuf;

use crate::Diagnostic;

/// Why a link failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// "read", "write", "create"…
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An input file is none of the kinds that can be linked.
    #[error("cannot link `{}`: {reason}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The compiler's LLVM was not found.
    #[error(
        "cannot find the LLVM library of `{compiler}`{}\n  = help: name it with `HACHI_LLVM=/path/to/libLLVM.so` or `--llvm PATH`; it must be as new as the compiler's own (see `rustc -vV`)",
        tried_list(tried)
    )]
    LlvmNotFound {
        /// The compiler whose library was looked for.
        compiler: String,
        /// Places looked at.
        tried: Vec<PathBuf>,
    },
    /// A library was found but cannot be used.
    #[error("cannot use the LLVM library `{}`: {reason}", path.display())]
    LlvmUnusable {
        /// The library.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The program cannot become an eBPF object; each diagnostic says why, in Rust's terms.
    #[error("{}", join(.0))]
    Rejected(Vec<Diagnostic>),
    /// The process that runs LLVM could not be started.
    #[error("cannot start the process that runs LLVM: {0}")]
    Process(std::io::Error),
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
