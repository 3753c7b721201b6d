//! Why a toolchain was not found or a build failed.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::obstacle::{Obstacle, Remedy, sentence};
use crate::{Arch, Target, Way};

/// Why a toolchain was not found or a build failed.
///
/// `Debug` prints the same text as `Display`, because that is what a `main` that returns this error
/// shows to the user.
#[non_exhaustive]
pub enum Error {
    /// A file or directory cannot be used.
    Io {
        /// "read", "write", "create"…
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program that is needed cannot be started.
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// An environment variable has a value that means nothing.
    Setting {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static [&'static str],
    },
    /// There is no home directory to keep the cache in.
    NoCacheDirectory,
    /// The cache directory belongs to another user.
    ForeignCache {
        /// The directory.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
    },
    /// No Rust compiler was found at all, or the one named does not work.
    NoCompiler {
        /// Each compiler looked at, and what is wrong with it.
        tried: Vec<Obstacle>,
        /// What opens it.
        help: Remedy,
    },
    /// The way that was forced is not open.
    ForcedWay {
        /// The way.
        way: Way,
        /// What is in the way.
        tried: Vec<Obstacle>,
        /// What opens it.
        help: Remedy,
    },
    /// There is no library for the target, and the fallback, this machine's own code, is of the
    /// other byte order.
    NoCore {
        /// The target.
        target: Target,
        /// Why there is none.
        tried: Vec<Obstacle>,
        /// What opens it.
        help: Remedy,
    },
    /// Programs for that kind of machine cannot be built here.
    NoCross {
        /// The machine.
        arch: Arch,
        /// What is in the way.
        tried: Vec<Obstacle>,
        /// What opens it.
        help: Remedy,
    },
    /// The library source does not compile.
    CoreBuild {
        /// The compiler.
        rustc: PathBuf,
        /// The library source.
        source_dir: PathBuf,
        /// The end of what the compiler said.
        output: String,
    },
    /// A directory named as library source does not hold it.
    NotASourceTree {
        /// The directory.
        path: PathBuf,
    },
    /// The library source named is of another release than the compiler.
    SourceOfAnotherRelease {
        /// The directory.
        path: PathBuf,
        /// The release that the source is of.
        release: String,
        /// The compiler's.
        wanted: String,
    },
    /// No suite of the distribution's archive has the library source of this release.
    NoSourcePackage {
        /// The release.
        release: String,
        /// The suites that were looked at.
        suites: Vec<String>,
    },
    /// A download succeeded, and there is no package.
    NotDownloaded {
        /// Where it should be.
        dir: PathBuf,
    },
    /// The compiler's LLVM library was not found.
    Llvm(hachi_linker::Error),
    /// Something could not be installed or downloaded.
    Install {
        /// The command.
        command: String,
        /// The end of what it said.
        output: String,
    },
    /// Cargo does not understand the package's manifest, or there is none.
    Manifest {
        /// The directory.
        dir: PathBuf,
        /// What cargo said.
        output: String,
    },
    /// A dependency by path is not there any more: what it points to was moved or removed.
    DependencyGone {
        /// The package or workspace whose dependency it is.
        dir: PathBuf,
        /// The dependency.
        dependency: String,
        /// The manifest that is not there.
        manifest: PathBuf,
    },
    /// There is no checkout of Hachi where one should be, or its path is not UTF-8.
    NoCheckout {
        /// Where it should be.
        dir: PathBuf,
        /// The environment variable that says so; `None` when the program was built there.
        variable: Option<&'static str>,
    },
    /// The package named does not exist.
    NoSuchPackage {
        /// The name asked for.
        name: String,
        /// Where it was looked for.
        dir: PathBuf,
        /// The packages that exist.
        available: Vec<String>,
    },
    /// The directory is the root of a workspace without an eBPF package.
    NoEbpfPackage {
        /// The directory.
        dir: PathBuf,
    },
    /// The package has no binary target, so there is nothing to make an object of.
    NoBinary {
        /// The package.
        package: String,
        /// Its `Cargo.toml`.
        manifest: PathBuf,
    },
    /// The binary named does not exist.
    NoSuchBinary {
        /// The package.
        package: String,
        /// The binary asked for.
        name: String,
        /// The binaries that exist.
        available: Vec<String>,
    },
    /// What is to be built is neither a package nor a Rust file.
    NotBuildable {
        /// The path.
        path: PathBuf,
    },
    /// The package does not compile or link. The messages that say why have been printed already.
    Failed {
        /// The package or file.
        what: String,
    },
    /// `build_ebpf` was called from something that is not a build script.
    NotABuildScript {
        /// The variable that is missing.
        variable: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io {
                action,
                path,
                source,
            } => write!(f, "cannot {action} `{}`: {source}", path.display()),
            Error::Spawn { program, source } => write!(f, "cannot run `{program}`: {source}"),
            Error::Setting {
                variable,
                value,
                expected,
            } => write!(
                f,
                "`{variable}={value}` is not understood: expected {}",
                alternatives(expected)
            ),
            Error::NoCacheDirectory => write!(
                f,
                "no place to keep built libraries: set HACHI_CACHE (or HOME) to a directory that \
                 can be written"
            ),
            Error::ForeignCache { path, owner } => write!(
                f,
                "the cache `{}` belongs to user {owner}: name a directory of your own by \
                 HACHI_CACHE",
                path.display()
            ),
            Error::NoCompiler { tried, help } => write!(
                f,
                "no usable Rust compiler: {}\n  = help: {help}",
                sentence(tried)
            ),
            Error::ForcedWay { way, tried, help } => write!(
                f,
                "HACHI_TOOLCHAIN={} is not possible here: {}\n  = help: {help}",
                way.name(),
                sentence(tried)
            ),
            Error::NoCore {
                target,
                tried,
                help,
            } => write!(
                f,
                "no `core` library for {}, and this machine's code, whose bytes are in the other \
                 order, cannot be turned into it: {}\n  = help: {help}",
                target.triple(),
                sentence(tried)
            ),
            Error::NoCross { arch, tried, help } => write!(
                f,
                "programs for {arch} cannot be built here: {}\n  = help: {help}",
                sentence(tried)
            ),
            Error::CoreBuild {
                rustc,
                source_dir,
                output,
            } => write!(
                f,
                "`{}` cannot build `core` for eBPF from `{}`: is the source of the same version \
                 as the compiler?\n{output}",
                rustc.display(),
                source_dir.display()
            ),
            Error::NotASourceTree { path } => write!(
                f,
                "`{}` is not a library source tree: it has no `core/src/lib.rs`",
                path.display()
            ),
            Error::SourceOfAnotherRelease {
                path,
                release,
                wanted,
            } => write!(
                f,
                "`{}` is the library source of Rust {release}, and the compiler is {wanted}",
                path.display()
            ),
            Error::NoSourcePackage { release, suites } => write!(
                f,
                "no rust-src package of version {release} in {}",
                suites.join(", ")
            ),
            Error::NotDownloaded { dir } => write!(
                f,
                "nothing was downloaded to `{}`, though apt-get says so",
                dir.display()
            ),
            Error::Llvm(error) => {
                write!(f, "{error}")?;
                for diagnostic in error.to_diagnostics() {
                    for note in diagnostic.notes {
                        write!(f, "\n  = note: {}", note.text)?;
                    }
                    for help in diagnostic.helps {
                        write!(f, "\n  = help: {}", help.text)?;
                    }
                }
                Ok(())
            }
            Error::Install { command, output } => write!(f, "`{command}` failed: {output}"),
            Error::Manifest { dir, output } => write!(
                f,
                "cargo cannot read the package in `{}`:\n{output}",
                dir.display()
            ),
            Error::DependencyGone {
                dir,
                dependency,
                manifest,
            } => write!(
                f,
                "`{}` depends on `{dependency}` by path, and `{}` is gone: put it back, or \
                 correct the path in `Cargo.toml`",
                dir.display(),
                manifest.display()
            ),
            Error::NoCheckout { dir, variable } => {
                let dir = dir.display();
                match variable {
                    Some(variable) => write!(
                        f,
                        "`{variable}` names `{dir}`, which is not a checkout of Hachi"
                    ),
                    None => write!(
                        f,
                        "`{dir}`, the checkout of Hachi that this program was built in, is gone: \
                         name another by HACHI_SRC, or install Hachi again"
                    ),
                }
            }
            Error::NoSuchPackage {
                name,
                dir,
                available,
            } => write!(
                f,
                "there is no package `{name}` in the workspace of `{}`; it has {}\n  = help: name \
                 one of these, or give the directory of the package, as in \"../{name}\"",
                dir.display(),
                list(available)
            ),
            Error::NoEbpfPackage { dir } => write!(
                f,
                "`{}` is a workspace without an eBPF package: no member with a binary depends on \
                 `hachi-ebpf`\n  = help: give the directory of the package to build",
                dir.display()
            ),
            Error::NoBinary { package, manifest } => write!(
                f,
                "package `{package}` has no binary to build\n  = help: an eBPF program is a \
                 binary: put it in `src/main.rs`, or add a `[[bin]]` section to `{}`",
                manifest.display()
            ),
            Error::NoSuchBinary {
                package,
                name,
                available,
            } => write!(
                f,
                "package `{package}` has no binary `{name}`; it has {}",
                list(available)
            ),
            Error::NotBuildable { path } => write!(
                f,
                "cannot build `{}`: it is neither a directory with a `Cargo.toml` nor a `.rs` file",
                path.display()
            ),
            Error::Failed { what } => {
                write!(f, "`{what}` was not built; the messages above say why")
            }
            Error::NotABuildScript { variable } => write!(
                f,
                "`build_ebpf` works in a build script only: cargo's variable `{variable}` is not \
                 set\n  = help: use `hachi_build::Builder` elsewhere"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            Error::Spawn { source, .. } => Some(source),
            Error::Llvm(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

impl From<hachi_linker::Error> for Error {
    fn from(error: hachi_linker::Error) -> Self {
        Error::Llvm(error)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `a`, `b` or `c`.
fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_read_as_a_sentence() {
        assert_eq!(alternatives(&["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(alternatives(&["a", "b"]), "`a` or `b`");
        assert_eq!(alternatives(&["a"]), "`a`");
    }
}
