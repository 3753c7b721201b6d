//! Functions of structs that the kernel calls.

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::links::NoTarget;

/// One of the functions of a struct that the kernel calls (`BPF_PROG_TYPE_STRUCT_OPS`). Linux ≥
/// 5.6.
///
/// Sections `struct_ops/NAME` and `struct_ops.s/NAME` (may sleep; Linux ≥ 6.3). It is not attached
/// by itself, but with its struct: [`Ebpf::struct_ops`](crate::Ebpf::struct_ops).
///
/// ```no_run
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// // Loads its programs, and registers it until the link is dropped.
/// let reno = ebpf.struct_ops("hachi_reno")?.attach()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct StructOpsProgram {
    pub(crate) data: ProgramData,
}

program_methods!(StructOpsProgram);

impl StructOpsProgram {
    /// Loads the program into the kernel, which verifies it for the member of the struct that it
    /// is.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses; [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data.no_target(NoTarget::RunByStruct)
    }
}
