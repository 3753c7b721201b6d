//! Programs that user space calls, like a system call.

use std::{os::fd::AsFd as _, path::Path};

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::{links::NoTarget, sys::bpf};

/// A program that runs when user space says so (`BPF_PROG_TYPE_SYSCALL`), in its context, and may
/// sleep. Linux ≥ 5.14.
///
/// Section `syscall`. It is not attached, but [called](Self::call).
///
/// ```no_run
/// use hachi::programs::Syscall;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut Syscall = ebpf.program_mut("run")?.try_into()?;
/// program.load()?;
/// let mut numbers = 1u64.to_ne_bytes();
/// let result = program.call(&mut numbers)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Syscall {
    pub(crate) data: ProgramData,
}

program_methods!(Syscall);

impl Syscall {
    /// Opens the program pinned at `path`. It is loaded already and can be called.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "syscall").map(|data| Syscall { data })
    }

    /// Loads the program into the kernel, which verifies it.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses; [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    /// Runs the program with `context` as its argument, which it may change (at most 64 KiB; empty:
    /// none). The result is what it returned.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::SyscallError`] of `BPF_PROG_TEST_RUN`: EINVAL
    /// if `context` is shorter than the program reads or longer than 64 KiB.
    pub fn call(&self, context: &mut [u8]) -> Result<u32, ProgramError> {
        let fd = self.data.fd()?;
        bpf::prog_call(fd.as_fd(), context).map_err(|error| ProgramError::SyscallError {
            name: self.name().to_owned(),
            error,
        })
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data.no_target(NoTarget::Called)
    }
}
