//! What can go wrong with a program.

use std::fmt;

use hachi_obj::ProgramType;

use super::{Rejection, Unloadable};
use crate::{
    features::Unsupported, links::LinkError, maps::MapError, pin::PinError,
    sys::errno::SyscallError,
};

/// An error of loading, running or attaching a program. Each names the program.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProgramError {
    /// The object has no program of that name, nor exactly one in a section of that name.
    NotFound {
        /// The name asked for.
        name: String,
        /// The programs in a section of that name, if there is one with several.
        in_section: Vec<String>,
        /// The names there are.
        available: Vec<String>,
    },

    /// The program is of another type than asked for.
    UnexpectedProgramType {
        /// The program.
        name: String,
        /// The type asked for.
        expected: &'static str,
        /// The type it has.
        actual: String,
        /// The section that says so; `None` for a program opened from a pin.
        section: Option<String>,
    },

    /// The operation needs a loaded program.
    NotLoaded {
        /// The program.
        name: String,
    },

    /// The program is loaded already.
    AlreadyLoaded {
        /// The program.
        name: String,
    },

    /// The kernel refused to load the program. [`Rejection`] has the verifier's log and an
    /// explanation.
    LoadError(Box<Rejection>),

    /// The program cannot be put together: from the parts of its object, or for the kernel's types
    /// (CO-RE).
    Relocation {
        /// The program.
        name: String,
        /// Which part, and why.
        error: Box<hachi_obj::Error>,
    },

    /// The program needs something that the running system, or this version of Hachi, does not
    /// have.
    Unloadable {
        /// The program, or the struct of functions.
        name: String,
        /// What that is.
        problem: Unloadable,
    },

    /// The kernel refused an operation on the program.
    SyscallError {
        /// The program.
        name: String,
        /// The kernel's answer.
        error: SyscallError,
    },

    /// Attaching or detaching failed.
    Attach {
        /// The program.
        name: String,
        /// Why.
        error: LinkError,
    },

    /// Something about links failed.
    Link(LinkError),

    /// Something about a map failed.
    Map(MapError),

    /// Something about pins failed.
    Pin(PinError),

    /// The running kernel is too old for the program.
    Unsupported {
        /// The program.
        name: String,
        /// What is lacking, and which kernels have it.
        error: Unsupported,
    },
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramError::NotFound {
                name,
                in_section,
                available,
            } => {
                write!(f, "no program {name:?}; ")?;
                match in_section.as_slice() {
                    [] => write!(f, "the object has {}", crate::error::list(available)),
                    several => write!(
                        f,
                        "that is a section with several: {}",
                        crate::error::list(several)
                    ),
                }
            }
            ProgramError::UnexpectedProgramType {
                name,
                expected,
                actual,
                section,
            } => {
                write!(f, "program {name:?} is of type {actual}")?;
                if let Some(section) = section {
                    write!(f, " (section {section:?})")?;
                }
                write!(f, ", not {expected}")
            }
            ProgramError::NotLoaded { name } => {
                write!(f, "program {name:?} is not loaded; call load() first")
            }
            ProgramError::AlreadyLoaded { name } => write!(f, "program {name:?} is loaded already"),
            ProgramError::LoadError(error) => write!(f, "{error}"),
            ProgramError::Relocation { name, error } => match **error {
                hachi_obj::Error::Core { .. } | hachi_obj::Error::CoreInsn { .. } => {
                    write!(f, "cannot adjust it to this kernel's types: {error}")
                }
                _ => write!(f, "program {name:?} cannot be loaded: {error}"),
            },
            ProgramError::Unloadable { name, problem } => {
                write!(f, "program {name:?} cannot be loaded: {problem}")
            }
            ProgramError::SyscallError { name, error } => write!(f, "program {name:?}: {error}"),
            ProgramError::Attach { name, error } => write!(f, "program {name:?}: {error}"),
            ProgramError::Link(error) => write!(f, "{error}"),
            ProgramError::Map(error) => write!(f, "{error}"),
            ProgramError::Pin(error) => write!(f, "{error}"),
            ProgramError::Unsupported { name, error } => write!(f, "program {name:?}: {error}"),
        }
    }
}

impl std::error::Error for ProgramError {}

impl From<LinkError> for ProgramError {
    fn from(error: LinkError) -> Self {
        ProgramError::Link(error)
    }
}

impl From<MapError> for ProgramError {
    fn from(error: MapError) -> Self {
        ProgramError::Map(error)
    }
}

impl From<PinError> for ProgramError {
    fn from(error: PinError) -> Self {
        ProgramError::Pin(error)
    }
}

impl ProgramError {
    /// Of a program that is not of type `expected`.
    pub(crate) fn unexpected_type(
        name: &str,
        kind: ProgramType,
        section: &str,
        expected: &'static str,
    ) -> Self {
        ProgramError::UnexpectedProgramType {
            name: name.to_owned(),
            expected,
            actual: kind.name().to_owned(),
            section: (!section.is_empty()).then(|| section.to_owned()),
        }
    }

    pub(crate) fn unloadable(name: &str, problem: impl Into<Unloadable>) -> Self {
        ProgramError::Unloadable {
            name: name.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn is_no_such_target(&self) -> bool {
        matches!(
            self,
            ProgramError::Attach {
                error: LinkError::NoSuchTarget { .. },
                ..
            }
        )
    }
}
