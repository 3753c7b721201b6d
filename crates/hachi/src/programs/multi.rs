//! Programs of which several are attached to one place.

use super::{ProgramError, ProgramFd};

/// A program that can have others before and after it: see [`LinkOrder`](crate::links::LinkOrder).
pub trait MultiProgram {
    /// The descriptor; an error before `load`.
    fn fd(&self) -> Result<&ProgramFd, ProgramError>;

    /// The kernel's id of the loaded program.
    fn id(&self) -> Result<u32, ProgramError>;
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
