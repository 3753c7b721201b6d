//! Describing programs, ours and other people's.

use std::{
    fmt, io,
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
    time::Duration,
};

use hachi_btf::{Kind, Types as _};
use hachi_obj::ProgramType;

use crate::{
    btf::Btf,
    near,
    pin::{self, PinError, PinOperation},
    sys::{
        attr,
        bpf::{self, Access},
        errno::SyscallError,
        fs::ObjectKind,
    },
};

/// What the kernel says about a loaded program.
#[derive(Clone)]
pub struct ProgramInfo {
    info: attr::ProgInfo,
    map_ids: Vec<u32>,
}

impl ProgramInfo {
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Result<Self, SyscallError> {
        let info = bpf::prog_info(fd)?;
        let mut map_ids = vec![0; info.nr_map_ids as usize];
        if !map_ids.is_empty() {
            bpf::prog_map_ids(fd, &mut map_ids)?;
        }
        Ok(ProgramInfo { info, map_ids })
    }

    /// As [`from_id`](Self::from_id), with the kernel's own answer.
    pub(crate) fn with_id(id: u32) -> Result<Self, SyscallError> {
        Self::of(bpf::prog_fd_by_id(id)?.as_fd())
    }

    /// The program pinned at `path`.
    ///
    /// # Errors
    /// [`PinError::NotFound`] if nothing is pinned there, [`PinError::WrongKind`] for a map or
    /// link; otherwise what `BPF_OBJ_GET` refuses (EACCES, EPERM).
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, PinError> {
        let path = path.as_ref();
        let fd = pin::open(path, ObjectKind::Program, Access::Read)?;
        Self::of(fd.as_fd()).map_err(|error| PinError::syscall(PinOperation::Describe, path, error))
    }

    /// Pins the program at `path` on a BPF file system, no matter who loaded it. Needs
    /// CAP_SYS_ADMIN.
    ///
    /// # Errors
    /// [`PinError::Syscall`] if the program is gone (ENOENT) or this process lacks CAP_SYS_ADMIN
    /// (EPERM); [`PinError::NotBpffs`] if `path` is on another file system, [`PinError::Taken`] if
    /// something is there.
    pub fn pin<P: AsRef<Path>>(&self, path: P) -> Result<(), PinError> {
        let path = path.as_ref();
        let fd = bpf::prog_fd_by_id(self.info.id)
            .map_err(|error| PinError::syscall(PinOperation::Pin, path, error))?;
        pin::pin(fd.as_fd(), path, ObjectKind::Program)
    }

    /// The id, unique among loaded programs.
    pub fn id(&self) -> u32 {
        self.info.id
    }

    /// The name, at most 15 bytes; empty on Linux < 4.15.
    pub fn name(&self) -> String {
        bpf::name_text(&self.info.name)
    }

    /// The type; `None` when it is newer than this version of Hachi.
    pub fn program_type(&self) -> Option<ProgramType> {
        ProgramType::from_number(self.info.prog_type)
    }

    /// The kernel's name of the type, in lower case: `xdp`.
    pub fn type_name(&self) -> String {
        match self.program_type() {
            Some(kind) => kind.name().to_owned(),
            None => format!("program type {}", self.info.prog_type),
        }
    }

    /// A hash of the instructions, as shown by tools: the same code has the same tag.
    pub fn tag(&self) -> [u8; 8] {
        self.info.tag
    }

    /// When it was loaded, as time since boot.
    pub fn load_time(&self) -> Duration {
        Duration::from_nanos(self.info.load_time)
    }

    /// The user who loaded it.
    pub fn uid(&self) -> u32 {
        self.info.created_by_uid
    }

    /// Ids of the maps it uses.
    pub fn map_ids(&self) -> &[u32] {
        &self.map_ids
    }

    /// Whether its licence lets it use GPL-only helpers. Linux ≥ 4.18.
    pub fn gpl_compatible(&self) -> bool {
        self.info.bits & attr::GPL_COMPATIBLE != 0
    }

    /// The BTF object that describes it, if any.
    pub fn btf_id(&self) -> Option<u32> {
        (self.info.btf_id != 0).then_some(self.info.btf_id)
    }

    /// Bytes of the instructions after the kernel's rewriting; 0 without the privilege to see them.
    pub fn xlated_size(&self) -> u32 {
        self.info.xlated_prog_len
    }

    /// Bytes of machine code; 0 when it is interpreted.
    pub fn jited_size(&self) -> u32 {
        self.info.jited_prog_len
    }

    /// Instructions the verifier walked through. Linux ≥ 5.16.
    pub fn verified_insns(&self) -> Option<u32> {
        (self.info.verified_insns != 0).then_some(self.info.verified_insns)
    }

    /// Runs and time spent in them, while the kernel counts those: see
    /// [`RunStats`](crate::programs::RunStats), or `sysctl kernel.bpf_stats_enabled=1`.
    pub fn run_stats(&self) -> (u64, Duration) {
        (
            self.info.run_cnt,
            Duration::from_nanos(self.info.run_time_ns),
        )
    }
}

impl fmt::Debug for ProgramInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramInfo")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("program_type", &self.type_name())
            .field("map_ids", &self.map_ids)
            .finish_non_exhaustive()
    }
}

/// Why a function of a loaded program cannot be traced or replaced.
#[derive(Debug)]
#[non_exhaustive]
pub enum TargetProgramError {
    /// The program cannot be looked at.
    Describe(SyscallError),
    /// The program was loaded without BTF, so that its functions have no names.
    NoTypes {
        /// The program.
        program: String,
    },
    /// The program's types cannot be read.
    Types {
        /// The program.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// The program has no such function.
    NoSuchFunction {
        /// The program.
        program: String,
        /// The function asked for.
        function: String,
        /// Names like it, the likeliest first.
        similar: Vec<String>,
    },
}

impl fmt::Display for TargetProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetProgramError::Describe(error) => {
                write!(f, "the target program cannot be looked at: {error}")
            }
            TargetProgramError::NoTypes { program } => write!(
                f,
                "the target, program {program:?}, was loaded without BTF, so that its functions \
                 have no names"
            ),
            TargetProgramError::Types { program, error } => write!(
                f,
                "the types of the target, program {program:?}, cannot be read: {error}"
            ),
            TargetProgramError::NoSuchFunction {
                program,
                function,
                similar,
            } => write!(
                f,
                "program {program:?} has no function {function:?}{}",
                near::did_you_mean(similar)
            ),
        }
    }
}

impl std::error::Error for TargetProgramError {}

/// The id of a function in the types of a loaded program.
pub(crate) fn function_id(program: BorrowedFd<'_>, name: &str) -> Result<u32, TargetProgramError> {
    let info = ProgramInfo::of(program).map_err(TargetProgramError::Describe)?;
    let program = info.name();
    let Some(id) = info.btf_id() else {
        return Err(TargetProgramError::NoTypes { program });
    };
    let btf = match Btf::from_id(id) {
        Ok(btf) => btf,
        Err(error) => return Err(TargetProgramError::Types { program, error }),
    };
    btf.types()
        .find(name, Kind::Func)
        .ok_or_else(|| TargetProgramError::NoSuchFunction {
            program,
            function: name.to_owned(),
            similar: btf.similar("", name, Kind::Func),
        })
}
