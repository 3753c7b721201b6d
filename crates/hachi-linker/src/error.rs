//! Why a link failed.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::{Code, Diagnostic, Severity};

/// Why a link failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The command line makes no sense.
    Usage(UsageError),
    /// A file cannot be read or written.
    Io {
        /// What was to be done with it.
        action: FileAction,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An input file is none of the kinds that can be linked.
    Input {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: Unlinkable,
    },
    /// The compiler's LLVM was not found.
    LlvmNotFound {
        /// The compiler whose library was looked for.
        compiler: String,
        /// Places looked at.
        tried: Vec<PathBuf>,
        /// The first place that could not be looked at, and why.
        unseen: Option<(PathBuf, std::io::Error)>,
    },
    /// A library was found but cannot be used.
    LlvmUnusable {
        /// The library.
        path: PathBuf,
        /// What is wrong with it.
        problem: LlvmProblem,
    },
    /// The program cannot become an eBPF object; each diagnostic says why, in Rust's terms.
    Rejected(Vec<Diagnostic>),
    /// The process that runs LLVM could not be started.
    Process(std::io::Error),
}

/// Why a library cannot be used as LLVM.
#[derive(Debug)]
#[non_exhaustive]
pub enum LlvmProblem {
    /// The file cannot be opened.
    Unreadable(std::io::Error),
    /// The file is no shared library.
    NotALibrary,
    /// The dynamic linker does not load it.
    NotLoaded {
        /// What the dynamic linker says.
        message: String,
    },
    /// It has not all that the linker calls: it is too old.
    Lacks {
        /// The function it lacks.
        function: String,
    },
}

impl fmt::Display for LlvmProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LlvmProblem::Unreadable(error) => write!(f, "{error}"),
            LlvmProblem::NotALibrary => f.write_str(
                "it is not a shared library (perhaps a linker script; open the versioned file \
                 beside it)",
            ),
            LlvmProblem::NotLoaded { message } => f.write_str(message),
            LlvmProblem::Lacks { function } => {
                write!(f, "it lacks `{function}`; LLVM 20 or newer is needed")
            }
        }
    }
}

/// What is wrong with a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageError {
    /// There is no such option.
    UnknownOption(String),
    /// An option stands without its value.
    MissingValue {
        /// The option.
        option: String,
    },
    /// The value of an option is not UTF-8.
    NotUtf8 {
        /// The option.
        option: String,
        /// Its value.
        value: OsString,
    },
    /// A value is none of those there are.
    UnknownValue {
        /// What the value is of: "cpu", "target".
        what: &'static str,
        /// The value.
        value: String,
        /// Those there are.
        expected: &'static str,
    },
    /// Nothing says where to write the object.
    NoOutput,
    /// There is no input.
    NoInput,
}

/// What was to be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileAction {
    /// Reading it.
    Read,
    /// Writing it.
    Write,
    /// Creating it.
    Create,
}

/// A file that cannot be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unlinkable {
    /// An archive that cannot be read to its end.
    DamagedArchive {
        /// What the reader says.
        reason: String,
    },
    /// An ELF file that cannot be read.
    DamagedElf {
        /// What the reader says.
        reason: String,
    },
    /// Machine code for another machine, without bitcode beside it.
    OtherMachine {
        /// The number of the machine in the ELF file.
        machine: u16,
    },
    /// Something else.
    UnknownKind,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageError::UnknownOption(option) => {
                write!(f, "unknown option `{option}`; see `hachi-linker --help`")
            }
            UsageError::MissingValue { option } => write!(f, "`{option}` needs a value"),
            UsageError::NotUtf8 { option, value } => {
                write!(f, "the value of `{option}` is not UTF-8: {value:?}")
            }
            UsageError::UnknownValue {
                what,
                value,
                expected,
            } => write!(f, "unknown {what} `{value}`: expected {expected}"),
            UsageError::NoOutput => f.write_str("no output: name it with `-o FILE`"),
            UsageError::NoInput => f.write_str("nothing to link"),
        }
    }
}

impl fmt::Display for FileAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileAction::Read => "read",
            FileAction::Write => "write",
            FileAction::Create => "create",
        })
    }
}

impl fmt::Display for Unlinkable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unlinkable::DamagedArchive { reason } => {
                write!(f, "it is a damaged archive ({reason})")
            }
            Unlinkable::DamagedElf { reason } => write!(f, "it is a damaged ELF file ({reason})"),
            Unlinkable::OtherMachine { machine } => write!(
                f,
                "it is machine code for another machine (ELF machine {machine}) and holds no \
                 bitcode"
            ),
            Unlinkable::UnknownKind => {
                f.write_str("it is neither LLVM bitcode, nor an archive, nor an eBPF object")
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(error) => write!(f, "{error}"),
            Error::Io {
                action,
                path,
                source,
            } => write!(f, "cannot {action} `{}`: {source}", path.display()),
            Error::Input { path, found } => write!(f, "cannot link `{}`: {found}", path.display()),
            Error::LlvmNotFound {
                compiler, unseen, ..
            } => {
                write!(f, "cannot find the LLVM library of `{compiler}`")?;
                match unseen {
                    Some((path, error)) => write!(f, ": `{}`: {error}", path.display()),
                    None => Ok(()),
                }
            }
            Error::LlvmUnusable { path, problem } => write!(
                f,
                "cannot use the LLVM library `{}`: {problem}",
                path.display()
            ),
            Error::Rejected(list) => {
                for (at, diagnostic) in list.iter().enumerate() {
                    f.write_str(if at > 0 { "\n\n" } else { "" })?;
                    write!(f, "{diagnostic}")?;
                }
                Ok(())
            }
            Error::Process(error) => write!(f, "cannot start the process that runs LLVM: {error}"),
        }
    }
}

impl std::error::Error for UsageError {}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } | Error::Process(source) => Some(source),
            _ => None,
        }
    }
}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Error::Usage(error)
    }
}

impl Error {
    /// The diagnostics behind [`Error::Rejected`]; of any other error, the one that says it.
    pub fn to_diagnostics(&self) -> Vec<Diagnostic> {
        let said = |code: Option<Code>| {
            let mut d = Diagnostic::new(Severity::Error, self.to_string());
            d.code = code;
            d
        };
        vec![match self {
            Error::Rejected(list) => return list.clone(),
            Error::Usage(_) | Error::Io { .. } | Error::Process(_) => said(None),
            Error::Input { .. } => said(Some(Code::NOT_LINKABLE))
                .help("give LLVM bitcode, an archive of it, or an object compiled for eBPF"),
            Error::LlvmNotFound { tried, .. } => {
                let mut d = said(Some(Code::LLVM_NOT_FOUND));
                for path in tried {
                    d = d.note(format!("not at {}", path.display()));
                }
                d.help(
                    "name it with `HACHI_LLVM=/path/to/libLLVM.so` or `--llvm PATH`; it must be \
                     as new as the compiler's own (see `rustc -vV`)",
                )
            }
            Error::LlvmUnusable { .. } => said(Some(Code::LLVM_UNUSABLE)).help(
                "use the compiler's own, as `rustc --print sysroot` or the package of a \
                 distribution has it",
            ),
        }]
    }
}
