//! Entries of kernel functions, by the function's type.

use super::{ProgramData, ProgramError, ProgramFd, tracing::loaded_for_target};

/// A program at the entry of a kernel function (`BPF_PROG_TYPE_TRACING`, `BPF_TRACE_FENTRY`), with
/// the function's arguments by their types. Cheaper than a kprobe. Linux ≥ 5.5; functions of
/// modules: 5.11.
///
/// Sections `fentry/FUNCTION` and `fentry.s/FUNCTION` (may sleep, where the function may; Linux ≥
/// 5.10).
///
/// ```no_run
/// use hachi::programs::FEntry;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let btf = hachi::Btf::from_sys_fs()?;
/// let program: &mut FEntry = ebpf.program_mut("entered")?.try_into()?;
/// program.load("vfs_fsync", &btf)?;
/// program.attach()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct FEntry {
    pub(crate) data: ProgramData,
}

loaded_for_target!(FEntry, "fentry", "kernel function", cookies: "5.19");

impl FEntry {
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
