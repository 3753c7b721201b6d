//! Programs that take the place of a function of another program.

use std::os::fd::AsFd as _;

use super::{AttachOptions, Attached, ProgramData, ProgramError, ProgramFd, program_methods};
use crate::{
    links::{LinkError, LinkId, tracing},
    load::Target,
    program_info::function_id,
};

/// A program that replaces a global function of another loaded program (`BPF_PROG_TYPE_EXT`,
/// "freplace"). Linux ≥ 5.6.
///
/// Section `freplace/FUNCTION`. The other program must have been loaded with BTF, and the function
/// must have the same type and be global (not `static`).
///
/// ```no_run
/// use hachi::programs::{Extension, Xdp};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let firewall: &Xdp = ebpf.program("firewall")?.try_into()?;
/// let firewall = firewall.fd()?.clone();
/// let program: &mut Extension = ebpf.program_mut("instead")?.try_into()?;
/// program.load(firewall, "decide")?;
/// program.attach()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Extension {
    pub(crate) data: ProgramData,
}

program_methods!(Extension);

impl Extension {
    /// Loads the program to replace the function called `function` of `program`.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses, or `program` has no such function or no BTF;
    /// [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load(&mut self, program: ProgramFd, function: &str) -> Result<(), ProgramError> {
        self.data.load_for_program(&program, function)
    }

    /// Puts the program in the place of the function it was loaded for.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if the kernel refuses
    /// (`BPF_LINK_CREATE`, on Linux < 5.15 `BPF_RAW_TRACEPOINT_OPEN`): EBUSY if the function is
    /// replaced, or traced by fentry or fexit, already.
    pub fn attach(&mut self) -> Result<LinkId, ProgramError> {
        self.data.attach_as_loaded("function", 0)
    }

    /// Puts the program in the place of a function of yet another program, of the same type as the
    /// one it was loaded for. Linux ≥ 5.10.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if `program` has no such function or
    /// no BTF, or is of another type than the one this was loaded for (EINVAL), and if the function
    /// is replaced already (EBUSY).
    pub fn attach_to_program(
        &mut self,
        program: &ProgramFd,
        function: &str,
    ) -> Result<LinkId, ProgramError> {
        let own = self.data.fd()?;
        let link = function_id(program.as_fd(), function)
            .map_err(LinkError::TargetProgram)
            .and_then(|id| tracing::attach_to_function(own, program, id, function));
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let link = self.attach()?;
        Ok(Attached::one(link, self.data.target_in_words("function")))
    }
}

impl ProgramData {
    pub(crate) fn load_for_program(
        &mut self,
        program: &ProgramFd,
        function: &str,
    ) -> Result<(), ProgramError> {
        let target = Target {
            program: Some(program.as_fd()),
            ..Default::default()
        };
        self.load_for(Some(function), &target)
    }
}
