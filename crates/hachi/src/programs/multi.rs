//! Programs of which several are attached to one place.

use super::{ProgramError, ProgramFd};
use crate::links::LinkOrder;

/// A program that can have others before and after it: see [`LinkOrder`](crate::links::LinkOrder).
pub trait MultiProgram {
    /// The descriptor; an error before `load`.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`] before the program is loaded.
    fn fd(&self) -> Result<&ProgramFd, ProgramError>;

    /// The kernel's id of the loaded program.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`] before the program is loaded; [`ProgramError::SyscallError`] if
    /// `BPF_OBJ_GET_INFO_BY_FD` fails.
    fn id(&self) -> Result<u32, ProgramError>;
}

impl LinkOrder {
    /// Right before this loaded program.
    ///
    /// # Errors
    /// As [`MultiProgram::id`].
    pub fn before_program<P: MultiProgram>(program: &P) -> Result<Self, ProgramError> {
        Ok(Self::before_program_id(program.id()?))
    }

    /// Right after this loaded program.
    ///
    /// # Errors
    /// As [`MultiProgram::id`].
    pub fn after_program<P: MultiProgram>(program: &P) -> Result<Self, ProgramError> {
        Ok(Self::after_program_id(program.id()?))
    }
}

macro_rules! multi_program {
    ($type:ident) => {
        impl $crate::programs::MultiProgram for $type {
            fn fd(&self) -> Result<&$crate::programs::ProgramFd, $crate::programs::ProgramError> {
                self.data.fd()
            }

            fn id(&self) -> Result<u32, $crate::programs::ProgramError> {
                Ok(self.data.info()?.id())
            }
        }
    };
}
pub(crate) use multi_program;
