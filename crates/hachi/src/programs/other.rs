//! Programs of types that have no file of their own yet.

use super::{ProgramData, ProgramError, program_methods};
use crate::links::{Link, LinkError};

/// A program of a type that this version can load, test-run and pin, but not attach.
#[derive(Debug)]
pub struct OtherProgram {
    pub(crate) data: ProgramData<NoLink>,
}

impl OtherProgram {
    /// Loads the program into the kernel, which verifies it.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }
}

program_methods!(OtherProgram, NoLink);

/// The links of programs that have none.
#[derive(Debug)]
pub(crate) enum NoLink {}

impl Link for NoLink {
    type Id = ();

    fn id(&self) {
        match *self {}
    }

    fn detach(self) -> Result<(), LinkError> {
        match self {}
    }
}
