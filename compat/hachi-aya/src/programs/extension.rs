//! Functions of other programs.

use super::*;

program! {
    /// A function in place of one of another program. Linux ≥ 5.6.
    Extension, ProgramType::Extension
}
attachments!(Extension, ExtensionLink, ExtensionLinkId, "Extension");
links::conversions!(fd, ExtensionLink);
/// An error of extensions.
#[derive(Debug)]
pub enum ExtensionError {
    /// The other program has no types.
    NoBTF,
}

impl std::fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the program to extend was loaded without types (BTF)")
    }
}

impl std::error::Error for ExtensionError {}

of_itself!(Extension, ExtensionLinkId);

impl Extension {
    /// Loads the program in place of a function of a loaded one.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`] when the kernel refuses.
    pub fn load(&mut self, program: ProgramFd, func_name: &str) -> Result<(), ProgramError> {
        Ok(self.0.load(program, func_name)?)
    }

    /// Attaches the loaded program to a function of another program than it was loaded for.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`], and what the kernel refuses.
    pub fn attach_to_program(
        &mut self,
        program: &ProgramFd,
        func_name: &str,
    ) -> Result<ExtensionLinkId, ProgramError> {
        Ok(ExtensionLinkId(
            self.0.attach_to_program(program, func_name)?,
        ))
    }
}
