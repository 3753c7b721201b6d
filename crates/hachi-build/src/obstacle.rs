//! Why a way to a toolchain is not open, and what opens it.

use std::{fmt, path::PathBuf};

use crate::{Error, Target};

/// Why a compiler, a library or a way to one was not taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum Obstacle {
    /// A compiler cannot be started, or something else that was tried failed.
    Failed(Box<Error>),
    /// A compiler reports failure when it is asked for its version.
    CompilerFails {
        /// The compiler.
        rustc: PathBuf,
        /// The end of what it said.
        output: String,
    },
    /// A program does not answer as a Rust compiler does.
    NotACompiler {
        /// The program.
        program: PathBuf,
    },
    /// A compiler is too old.
    OldCompiler {
        /// The compiler.
        rustc: PathBuf,
        /// Its release.
        release: String,
        /// The oldest that will do: major and minor number.
        oldest: (u32, u32),
    },
    /// A compiler comes without the library for the target.
    NoLibrary {
        /// The compiler, as it is shown to users.
        compiler: String,
        /// The target.
        target: Target,
    },
    /// A library does not fit the compiler beside it.
    UnfitLibrary {
        /// The library.
        library: PathBuf,
        /// The compiler's release.
        release: String,
        /// The end of what the compiler said.
        output: String,
    },
    /// The cache has no library for the target and this compiler.
    NotInCache {
        /// The target.
        target: Target,
        /// The compiler's release.
        release: String,
    },
    /// The library source of the compiler's release is not on this machine.
    NoSource {
        /// The release.
        release: String,
    },
    /// Nothing may be installed, because the build is to be offline.
    Offline,
    /// Nothing was installed, because there is nobody to ask.
    NobodyToAsk,
    /// Something was not done, because only root can.
    NeedsRoot {
        /// What: "run `…`".
        step: String,
    },
    /// Something was not done, because the user said no.
    Declined {
        /// What: "run `…`".
        step: String,
    },
    /// A compiler has no standard library for the machine that is built for.
    NoStandardLibrary {
        /// The compiler, as it is shown to users.
        compiler: String,
        /// The machine, as Rust names it.
        triple: &'static str,
    },
    /// The linker for the machine that is built for is not installed.
    NoLinker {
        /// Its name.
        linker: String,
    },
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Obstacle::Failed(Box::new(error))
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Failed(error) => error.fmt(f),
            Obstacle::CompilerFails { rustc, output } => {
                write!(f, "`{}` fails: {output}", rustc.display())
            }
            Obstacle::NotACompiler { program } => write!(
                f,
                "`{} -vV` does not answer as a Rust compiler does",
                program.display()
            ),
            Obstacle::OldCompiler {
                rustc,
                release,
                oldest: (major, minor),
            } => write!(
                f,
                "`{}` is Rust {release}, older than {major}.{minor}",
                rustc.display()
            ),
            Obstacle::NoLibrary { compiler, target } => {
                write!(f, "{compiler} has no library for {}", target.triple())
            }
            Obstacle::UnfitLibrary {
                library,
                release,
                output,
            } => write!(
                f,
                "`{}` does not fit rustc {release}: {output}",
                library.display()
            ),
            Obstacle::NotInCache { target, release } => write!(
                f,
                "no `core` for {} and rustc {release} in the cache",
                target.triple()
            ),
            Obstacle::NoSource { release } => {
                write!(f, "no library source of Rust {release} on this machine")
            }
            Obstacle::Offline => {
                f.write_str("nothing was installed, because the build is to be offline")
            }
            Obstacle::NobodyToAsk => f.write_str(
                "nothing was installed, because nobody could be asked (HACHI_YES=1 answers yes)",
            ),
            Obstacle::NeedsRoot { step } => write!(f, "did not {step}: only root can"),
            Obstacle::Declined { step } => write!(f, "did not {step}: the answer was no"),
            Obstacle::NoStandardLibrary { compiler, triple } => {
                write!(f, "{compiler} has no standard library for {triple}")
            }
            Obstacle::NoLinker { linker } => {
                write!(f, "`{linker}`, which links them, is not installed")
            }
        }
    }
}

impl std::error::Error for Obstacle {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Obstacle::Failed(error) => std::error::Error::source(&**error),
            _ => None,
        }
    }
}

/// What opens a way to a toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// A command.
    Run(String),
    /// A command, in the directory of the package.
    RunInPackage(String),
    /// A command, if what it installs is of the compiler's release.
    RunIfRelease {
        /// The command.
        command: String,
        /// The release; `None` where no compiler was found.
        release: Option<String>,
    },
    /// Naming a working compiler by `HACHI_RUSTC`, or unsetting that.
    NameCompiler,
    /// A compiler that rustup manages.
    Rustup,
    /// Letting the distribution's package be unpacked into the cache.
    AllowUnpacking,
    /// A compiler that is packaged with a `core` for eBPF, or another way.
    PackagedCore,
    /// The library source of the compiler's release.
    Source {
        /// The release; `None` where no compiler was found.
        release: Option<String>,
    },
}

impl Remedy {
    /// The command to run, if one does it.
    pub fn command(&self) -> Option<&str> {
        match self {
            Remedy::Run(command)
            | Remedy::RunInPackage(command)
            | Remedy::RunIfRelease { command, .. } => Some(command),
            _ => None,
        }
    }
}

/// How rustup is installed.
pub(crate) const GET_RUSTUP: &str =
    "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh";

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |release: &Option<String>| match release {
            Some(release) => format!("version {release}"),
            None => "the compiler's version".to_owned(),
        };
        match self {
            Remedy::Run(command) => f.write_str(command),
            Remedy::RunInPackage(command) => {
                write!(f, "{command}, in the directory of the package")
            }
            Remedy::RunIfRelease { command, release } => {
                write!(f, "{command} (if it is of {})", of(release))
            }
            Remedy::NameCompiler => {
                f.write_str("name a working compiler by HACHI_RUSTC, or unset it")
            }
            Remedy::Rustup => f.write_str("use a compiler that rustup manages: https://rustup.rs"),
            Remedy::AllowUnpacking => f.write_str("HACHI_YES=1 lets it be unpacked into the cache"),
            Remedy::PackagedCore => f.write_str(
                "install a Rust compiler that is packaged with a `core` for eBPF (on Debian: \
                 libstd-rust-dev-bpf), or use another way",
            ),
            Remedy::Source { release } => write!(
                f,
                "install the Rust library source of {}, or name it by HACHI_RUST_SRC, or \
                 use rustup: {GET_RUSTUP}",
                of(release)
            ),
        }
    }
}

/// Obstacles in one sentence.
pub(crate) fn sentence(obstacles: &[Obstacle]) -> String {
    let all: Vec<String> = obstacles.iter().map(Obstacle::to_string).collect();
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Way;

    #[test]
    fn obstacles_and_remedies_make_the_message() {
        let error = Error::ForcedWay {
            way: Way::Source,
            tried: vec![
                Obstacle::NoSource {
                    release: "1.95.0".to_owned(),
                },
                Obstacle::Declined {
                    step: "run `rustup component add rust-src`".to_owned(),
                },
            ],
            help: Remedy::Run("rustup component add rust-src".to_owned()),
        };
        assert_eq!(
            error.to_string(),
            "HACHI_TOOLCHAIN=source is not possible here: no library source of Rust 1.95.0 on \
             this machine; did not run `rustup component add rust-src`: the answer was no\n  = \
             help: rustup component add rust-src"
        );
        let Error::ForcedWay { help, .. } = error else {
            unreachable!("made above");
        };
        assert_eq!(help.command(), Some("rustup component add rust-src"));
        assert_eq!(Remedy::NameCompiler.command(), None);
    }

    #[test]
    fn old_compilers_are_named_with_the_oldest_that_will_do() {
        let old = Obstacle::OldCompiler {
            rustc: "/usr/bin/rustc".into(),
            release: "1.63.0".to_owned(),
            oldest: (1, 95),
        };
        assert_eq!(
            old.to_string(),
            "`/usr/bin/rustc` is Rust 1.63.0, older than 1.95"
        );
    }

    #[test]
    fn a_package_of_another_release_does_not_help() {
        let remedy = |release: Option<&str>| {
            Remedy::RunIfRelease {
                command: "sudo dnf install rust-src".to_owned(),
                release: release.map(str::to_owned),
            }
            .to_string()
        };
        assert_eq!(
            remedy(Some("1.95.0")),
            "sudo dnf install rust-src (if it is of version 1.95.0)"
        );
        assert!(remedy(None).ends_with("(if it is of the compiler's version)"));
    }
}
