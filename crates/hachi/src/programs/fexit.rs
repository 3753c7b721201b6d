//! Returns of kernel functions, by the function's type.

use super::{ProgramData, ProgramError, ProgramFd, tracing::loaded_for_target};

/// A program at the return of a kernel function (`BPF_PROG_TYPE_TRACING`, `BPF_TRACE_FEXIT`), with
/// the function's arguments and its result. Linux ≥ 5.5; functions of modules: 5.11.
///
/// Sections `fexit/FUNCTION` and `fexit.s/FUNCTION` (may sleep; Linux ≥ 5.10).
///
/// ```no_run
/// use hachi::programs::FExit;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let btf = hachi::Btf::from_sys_fs()?;
/// let program: &mut FExit = ebpf.program_mut("returned")?.try_into()?;
/// program.load("vfs_fsync", &btf)?;
/// program.attach()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct FExit {
    pub(crate) data: ProgramData,
}

loaded_for_target!(FExit, "fexit", "kernel function", cookies: "5.19");

impl FExit {
    /// Loads the program for a function of another loaded BPF program, which must have been loaded
    /// with BTF. Linux ≥ 5.6.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses, or `program` has no such function or no BTF;
    /// [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load_for_program(
        &mut self,
        program: &ProgramFd,
        function: &str,
    ) -> Result<(), ProgramError> {
        self.data.load_for_program(program, function)
    }
}
