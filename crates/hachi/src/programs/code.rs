//! What the kernel made of a program.

use std::os::fd::{AsFd as _, OwnedFd};

use hachi_asm::{Endian, Insn};
use hachi_btf::Btf;

use super::{ProgramError, ProgramInfo};
use crate::{
    Unsupported,
    sys::{bpf, inspect},
};

/// What the kernel made of a program: see [`ProgramInfo::code`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ProgramCode {
    /// The instructions after the kernel's rewriting.
    pub xlated: Vec<Insn>,
    /// The machine code of all functions, one after the other. Empty where programs are
    /// interpreted.
    pub jited: Vec<u8>,
    /// Its functions, the program's own first.
    pub functions: Vec<LoadedFunction>,
    /// The lines of its source, in the order of the instructions.
    pub lines: Vec<LoadedLine>,
}

/// A function of a loaded program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadedFunction {
    /// Its name, if the program has types and this process may read them (CAP_SYS_ADMIN).
    pub name: Option<String>,
    /// Its first instruction.
    pub insn: u32,
    /// Where its machine code is; 0 if it is not compiled, or the kernel hides addresses
    /// (`kernel.kptr_restrict`).
    pub address: u64,
    /// Bytes of machine code.
    pub size: u32,
}

/// A line of source of a loaded program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadedLine {
    /// Its first instruction.
    pub insn: u32,
    /// Where its machine code is; 0 as in [`LoadedFunction::address`].
    pub address: u64,
    /// The file, and the text of the line; empty if this process may not read the program's types.
    pub file: String,
    /// See `file`.
    pub text: String,
    /// Numbers from 1.
    pub line: u32,
    /// Numbers from 1; 0 is the whole line.
    pub column: u32,
}

impl ProgramInfo {
    /// What the kernel made of the program: instructions, machine code, functions, lines. Needs
    /// CAP_SYS_ADMIN, since the program is opened by its id.
    ///
    /// # Errors
    /// [`ProgramError::SyscallError`] without CAP_SYS_ADMIN (EPERM), or if the program is gone by
    /// now (ENOENT).
    pub fn code(&self) -> Result<ProgramCode, ProgramError> {
        let code = bpf::prog_fd_by_id(self.id())
            .and_then(|fd| inspect::prog_code(fd.as_fd()))
            .map_err(|error| ProgramError::SyscallError {
                name: self.name(),
                error,
            })?;
        let bytes_of = |id| bpf::btf_fd_by_id(id).and_then(|fd| bpf::btf_bytes(fd.as_fd()));
        let btf = self.btf_id().map(bytes_of).transpose();
        let btf = btf.map_err(|error| ProgramError::SyscallError {
            name: self.name(),
            error,
        })?;
        // The kernel has checked them.
        let types = btf.as_deref().and_then(|bytes| Btf::parse(bytes).ok());
        let types = types.as_ref();
        let function = |(at, (&address, &size)): (usize, (&u64, &u32))| {
            let [insn, type_id] = code.func_info.get(at).copied().unwrap_or_default();
            let found = types.and_then(|types| types.get(type_id).ok());
            LoadedFunction {
                name: found.and_then(|ty| ty.name().map(|name| name.to_string())),
                insn,
                address,
                size,
            }
        };
        let text = |at: u32| {
            let found = types.and_then(|types| types.string(at).ok());
            found.unwrap_or_default().trim().to_owned()
        };
        let line = |(at, &[insn, file, source, place]): (usize, &[u32; 4])| {
            LoadedLine {
                insn,
                address: code.addresses.get(at).copied().unwrap_or(0),
                file: text(file),
                text: text(source),
                // `BPF_LINE_INFO_LINE_NUM` and `…_COL`
                line: place >> 10,
                column: place & 0x3ff,
            }
        };
        Ok(ProgramCode {
            // The kernel hands out whole instructions.
            xlated: Insn::decode_all(&code.xlated, Endian::NATIVE).unwrap_or_default(),
            functions: (code
                .ksyms
                .iter()
                .zip(&code.lengths)
                .enumerate()
                .map(function))
            .collect(),
            lines: code.line_info.iter().enumerate().map(line).collect(),
            jited: code.jited,
        })
    }
}

/// Has the kernel count the runs of all programs, and the time they take, until this is dropped:
/// see [`ProgramInfo::run_stats`].
#[derive(Debug)]
pub struct RunStats {
    fd: OwnedFd,
}

impl From<RunStats> for OwnedFd {
    fn from(stats: RunStats) -> Self {
        stats.fd
    }
}

impl RunStats {
    /// Begins to count, which costs each run some nanoseconds. Needs CAP_SYS_ADMIN; Linux ≥ 5.8.
    ///
    /// # Errors
    /// [`ProgramError::Unsupported`] on older kernels; [`ProgramError::SyscallError`] of
    /// `BPF_ENABLE_STATS` otherwise (EPERM without CAP_SYS_ADMIN).
    pub fn enable() -> Result<Self, ProgramError> {
        inspect::enable_stats()
            .map(|fd| RunStats { fd })
            .map_err(|error| {
                let name = "(any)".to_owned();
                match Unsupported::if_older("counting runs by BPF_ENABLE_STATS", (5, 8)) {
                    Some(error) => ProgramError::Unsupported { name, error },
                    None => ProgramError::SyscallError { name, error },
                }
            })
    }
}
