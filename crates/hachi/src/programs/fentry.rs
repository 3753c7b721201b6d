//! Entries of kernel functions, by the function's type.

use super::{ProgramData, ProgramError, ProgramFd, tracing::loaded_for_target};

/// A program at the entry of a kernel function (`BPF_PROG_TYPE_TRACING`, `BPF_TRACE_FENTRY`), with
/// the function's arguments by their types. Cheaper than a kprobe. Linux ≥ 5.5; functions of
/// modules: 5.11.
///
/// Sections `fentry/FUNCTION` and `fentry.s/FUNCTION` (may sleep, where the function may; Linux ≥
/// 5.10).
#[derive(Debug)]
pub struct FEntry {
    pub(crate) data: ProgramData,
}

loaded_for_target!(FEntry, "fentry", "kernel function", cookies: "5.19");

impl FEntry {
    /// Loads the program for a function of another loaded BPF program, which must have been loaded
    /// with BTF. Linux ≥ 5.6.
    pub fn load_for_program(
        &mut self,
        program: &ProgramFd,
        function: &str,
    ) -> Result<(), ProgramError> {
        self.data.load_for_program(program, function)
    }
}
