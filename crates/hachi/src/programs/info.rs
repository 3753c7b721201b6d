//! Describing programs, ours and other people's.

use std::os::fd::AsFd as _;

use hachi_asm::Insn;

use super::{ProgramError, ProgramFd, TestRun, TestRunOptions};
pub use crate::program_info::ProgramInfo;
use crate::{
    Unsupported, ids,
    sys::{bpf, errno::SyscallError, inspect},
};

/// A stream that a loaded program writes to. Linux ≥ 6.17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum ProgramStream {
    /// `BPF_STDOUT`: what it prints by the kfunc `bpf_stream_vprintk`.
    Output = 1,
    /// `BPF_STDERR`: what it prints there, and what the kernel reports about it, such as a fault in
    /// an arena or a deadlock that was avoided.
    Errors = 2,
}

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

    /// Runs the program without an event, as [`Program::test_run`](super::Program::test_run) does
    /// for one of this process. Needs CAP_SYS_ADMIN, since the program is opened by its id.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOTSUPP` or `EOPNOTSUPP` for types that cannot be run so,
    /// `EINVAL` for data or a context that the type does not take, `ENOENT` when the program is
    /// gone.
    pub fn test_run(&self, options: &TestRunOptions<'_>) -> Result<TestRun, ProgramError> {
        let program = self.fd()?;
        options
            .run(program.as_fd())
            .map_err(|error| self.failed(error))
    }

    /// Takes out of one of the program's streams what is in it, at most a mebibyte: what it has
    /// printed, or what the kernel has reported about it. Needs CAP_SYS_ADMIN; Linux ≥ 6.17.
    ///
    /// # Errors
    /// [`ProgramError::Unsupported`] on older kernels, and what the kernel refuses.
    pub fn read_stream(&self, stream: ProgramStream) -> Result<Vec<u8>, ProgramError> {
        const MOST: usize = 1 << 20;
        let program = self.fd()?;
        let mut taken = Vec::new();
        let mut buffer = vec![0; 16 << 10];
        while taken.len() < MOST {
            let read = inspect::stream_read(program.as_fd(), stream as u32, &mut buffer);
            match read {
                Ok(0) => break,
                Ok(read) => taken.extend(&buffer[..read.min(buffer.len())]),
                Err(error) => {
                    let older = Unsupported::if_older("reading a program's streams", (6, 17));
                    return Err(match older {
                        Some(error) => ProgramError::Unsupported {
                            name: self.name(),
                            error,
                        },
                        None => self.failed(error),
                    });
                }
            }
        }
        Ok(taken)
    }

    fn failed(&self, error: SyscallError) -> ProgramError {
        ProgramError::SyscallError {
            name: self.name(),
            error,
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
