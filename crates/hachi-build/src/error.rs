//! Why a toolchain was not found or a build failed.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Why a toolchain was not found or a build failed.
///
/// `Debug` prints the same text as `Display`, because that is what a `main` that returns this error
/// shows to the user.
#[derive(thiserror::Error)]
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
    /// A program that is needed cannot be started.
    #[error("cannot run `{program}`: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// An environment variable has a value that means nothing.
    #[error("`{variable}={value}` is not understood: expected {expected}")]
    Setting {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// There is no home directory to keep the cache in.
    #[error(
        "no place to keep built libraries: set HACHI_CACHE (or HOME) to a directory that can be written"
    )]
    NoCacheDirectory,
    /// No Rust compiler was found at all, or the one named does not work.
    #[error("no usable Rust compiler: {}\n  = help: {help}", tried.join("; "))]
    NoCompiler {
        /// Each compiler looked at, and what is wrong with it.
        tried: Vec<String>,
        /// The command that fixes it.
        help: String,
    },
    /// The way that was forced is not open.
    #[error("HACHI_TOOLCHAIN={way} cannot be had: {reason}\n  = help: {help}")]
    ForcedWay {
        /// The way.
        way: &'static str,
        /// What is missing.
        reason: String,
        /// The command that fixes it.
        help: String,
    },
    /// There is no library for the target, and the fallback, this machine's own code, is of the other byte order.
    #[error(
        "no `core` library for {target}, and this machine's code, whose bytes are in the other order, cannot be turned into it: {reason}\n  = help: {help}"
    )]
    NoCore {
        /// The target.
        target: &'static str,
        /// Why there is none.
        reason: String,
        /// The command that fixes it.
        help: String,
    },
    /// The library source does not compile.
    #[error(
        "`{}` cannot build `core` for eBPF from `{}`: is the source of the same version as the compiler?\n{output}",
        rustc.display(), source_dir.display()
    )]
    CoreBuild {
        /// The compiler.
        rustc: PathBuf,
        /// The library source.
        source_dir: PathBuf,
        /// The end of what the compiler said.
        output: String,
    },
    /// A directory named as library source is none.
    #[error("`{}` is no library source tree: `core/src/lib.rs` is not in it{}", path.display(), .hint.as_deref().unwrap_or(""))]
    NotASourceTree {
        /// The directory.
        path: PathBuf,
        /// More, if more is known.
        hint: Option<String>,
    },
    /// The compiler's LLVM library was not found.
    #[error(transparent)]
    Llvm(#[from] hachi_linker::Error),
    /// Something could not be installed or downloaded.
    #[error("`{command}` failed: {output}")]
    Install {
        /// The command.
        command: String,
        /// The end of what it said.
        output: String,
    },
    /// Cargo does not understand the package's manifest, or there is none.
    #[error("cargo cannot read the package in `{}`:\n{output}", dir.display())]
    Manifest {
        /// The directory.
        dir: PathBuf,
        /// What cargo said.
        output: String,
    },
    /// The package named does not exist.
    #[error(
        "there is no package `{name}` in the workspace of `{}`; it has {}\n  = help: name one of these, or give the directory of the package, as in \"../{name}\"",
        dir.display(), list(available)
    )]
    NoSuchPackage {
        /// The name asked for.
        name: String,
        /// Where it was looked for.
        dir: PathBuf,
        /// The packages that exist.
        available: Vec<String>,
    },
    /// The directory is the root of a workspace without an eBPF package.
    #[error(
        "`{}` is a workspace without an eBPF package: no member with a binary depends on `hachi-ebpf`\n  = help: give the directory of the package to build",
        dir.display()
    )]
    NoEbpfPackage {
        /// The directory.
        dir: PathBuf,
    },
    /// The package has no binary target, so there is nothing to make an object of.
    #[error(
        "package `{package}` has no binary to build\n  = help: an eBPF program is a binary: put it in `src/main.rs`, or add a `[[bin]]` section to `{}`",
        manifest.display()
    )]
    NoBinary {
        /// The package.
        package: String,
        /// Its `Cargo.toml`.
        manifest: PathBuf,
    },
    /// The binary named does not exist.
    #[error(
        "package `{package}` has no binary `{name}`; it has {}",
        list(available)
    )]
    NoSuchBinary {
        /// The package.
        package: String,
        /// The binary asked for.
        name: String,
        /// The binaries that exist.
        available: Vec<String>,
    },
    /// What is to be built is neither a package nor a Rust file.
    #[error("cannot build `{}`: it is neither a directory with a `Cargo.toml` nor a `.rs` file", path.display())]
    NotBuildable {
        /// The path.
        path: PathBuf,
    },
    /// The package does not compile or link. The messages that say why have been printed already.
    #[error("`{what}` was not built; the messages above say why")]
    Failed {
        /// The package or file.
        what: String,
    },
    /// `build_ebpf` was called from something that is not a build script.
    #[error(
        "`build_ebpf` works in a build script only: cargo's variable `{variable}` is not set\n  = help: use `hachi_build::Builder` elsewhere"
    )]
    NotABuildScript {
        /// The variable that is missing.
        variable: &'static str,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Says which file an I/O error is about.
pub(crate) trait IoContext<T> {
    fn with_context(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn with_context(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io {
            action,
            path: path.into(),
            source,
        })
    }
}
