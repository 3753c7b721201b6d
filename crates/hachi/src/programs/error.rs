//! What can go wrong with a program.

use super::{Program, Rejection};
use crate::{
    features::Unsupported, links::LinkError, maps::MapError, pin::PinError,
    sys::errno::SyscallError,
};

/// An error of loading, running or attaching a program. Each names the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The object has no program of that name, nor exactly one in a section of that name.
    #[error("no program {name:?}; {hint}")]
    NotFound {
        /// The name asked for.
        name: String,
        /// The programs there are, as a sentence.
        hint: String,
        /// The names there are.
        available: Vec<String>,
    },

    /// The program is of another type than asked for.
    #[error("program {name:?} is of type {actual}, not {expected}")]
    UnexpectedProgramType {
        /// The program.
        name: String,
        /// The type asked for.
        expected: String,
        /// The type it has, and the section that says so.
        actual: String,
    },

    /// The operation needs a loaded program.
    #[error("program {name:?} is not loaded; call load() first")]
    NotLoaded {
        /// The program.
        name: String,
    },

    /// The program is loaded already.
    #[error("program {name:?} is loaded already")]
    AlreadyLoaded {
        /// The program.
        name: String,
    },

    /// The kernel refused to load the program. [`Rejection`] has the verifier's log and an
    /// explanation.
    #[error("{0}")]
    LoadError(Box<Rejection>),

    /// The program cannot be adjusted to the kernel's types (CO-RE).
    #[error("cannot adjust it to this kernel's types: {error}")]
    Relocation {
        /// The program.
        name: String,
        /// Which record, and why.
        error: Box<hachi_obj::Error>,
    },

    /// The program needs something that the running system, or this version of Hachi, does not have.
    #[error("program {name:?} cannot be loaded: {reason}")]
    Unloadable {
        /// The program.
        name: String,
        /// What it needs.
        reason: String,
    },

    /// The kernel refused an operation on the program.
    #[error("program {name:?}: {error}")]
    SyscallError {
        /// The program.
        name: String,
        /// The kernel's answer.
        error: SyscallError,
    },

    /// Attaching or detaching failed.
    #[error("program {name:?}: {error}")]
    Attach {
        /// The program.
        name: String,
        /// Why.
        error: LinkError,
    },

    /// Something about links failed.
    #[error(transparent)]
    Link(#[from] LinkError),

    /// Something about a map failed.
    #[error(transparent)]
    Map(#[from] MapError),

    /// Something about pins failed.
    #[error(transparent)]
    Pin(#[from] PinError),

    /// The running kernel is too old for the program.
    #[error("program {name:?}: {error}")]
    Unsupported {
        /// The program.
        name: String,
        /// What is lacking, and which kernels have it.
        error: Unsupported,
    },
}

impl ProgramError {
    pub(crate) fn unexpected_type(program: &Program, expected: &str) -> Self {
        let section = match program.section() {
            "" => String::new(),
            section => format!(" (section {section:?})"),
        };
        ProgramError::UnexpectedProgramType {
            name: program.name().to_owned(),
            expected: expected.to_owned(),
            actual: format!("{}{section}", program.prog_type().name()),
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
