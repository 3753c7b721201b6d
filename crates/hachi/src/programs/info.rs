//! Describing programs, ours and other people's.

use hachi_asm::Insn;

use super::{ProgramError, ProgramFd};
pub use crate::program_info::ProgramInfo;
use crate::{ids, sys::bpf};

impl ProgramInfo {
    /// The loaded program with the given id. Needs CAP_SYS_ADMIN.
    ///
    /// # Errors
    /// [`ProgramError::SyscallError`] of `BPF_PROG_GET_FD_BY_ID`: ENOENT if no program has this id,
    /// EPERM without CAP_SYS_ADMIN.
    pub fn from_id(id: u32) -> Result<Self, ProgramError> {
        Self::with_id(id).map_err(|error| ProgramError::SyscallError {
            name: format!("id {id}"),
            error,
        })
    }

    /// A descriptor of the program, which keeps it loaded. Needs CAP_SYS_ADMIN.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` when the program is gone.
    pub fn fd(&self) -> Result<ProgramFd, ProgramError> {
        match bpf::prog_fd_by_id(self.id()) {
            Ok(fd) => Ok(ProgramFd::new(fd)),
            Err(error) => Err(ProgramError::SyscallError {
                name: self.name(),
                error,
            }),
        }
    }

    /// The instructions after the kernel's rewriting. As [`code`](Self::code), which has more.
    ///
    /// # Errors
    /// As [`code`](Self::code).
    pub fn xlated(&self) -> Result<Vec<Insn>, ProgramError> {
        Ok(self.code()?.xlated)
    }
}

/// All programs loaded on the system, in the order of their ids. Needs CAP_SYS_ADMIN.
///
/// A program that goes away between two steps is left out.
pub fn loaded_programs() -> impl Iterator<Item = Result<ProgramInfo, ProgramError>> {
    ids::each(bpf::prog_next_id, ProgramInfo::with_id).map(|result| {
        result.map_err(|error| ProgramError::SyscallError {
            name: "(any)".to_owned(),
            error,
        })
    })
}
