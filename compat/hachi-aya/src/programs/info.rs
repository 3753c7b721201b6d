//! What the kernel says about a program.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hachi_aya_obj::generated::bpf_prog_type;

use super::{ProgramError, ProgramFd};

/// What the kernel says about a loaded program.
#[derive(Debug)]
pub struct ProgramInfo {
    info: hachi::programs::ProgramInfo,
    name: String,
}

impl ProgramInfo {
    pub(crate) fn new(info: hachi::programs::ProgramInfo) -> Self {
        ProgramInfo {
            name: info.name(),
            info,
        }
    }

    /// Of the program pinned at `path`.
    ///
    /// # Errors
    /// [`ProgramError::SyscallError`] when there is none.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        match hachi::programs::ProgramInfo::from_pin(path) {
            Ok(info) => Ok(ProgramInfo::new(info)),
            Err(error) => Err(ProgramError::SyscallError(crate::sys::SyscallError {
                call: "BPF_OBJ_GET",
                io_error: crate::pin::io_error(error),
            })),
        }
    }

    /// The type; `BPF_PROG_TYPE_UNSPEC` for one that is newer than this list.
    pub fn program_type(&self) -> bpf_prog_type {
        let number = self.info.program_type().map_or(0, |kind| kind as u32);
        bpf_prog_type::try_from(number).unwrap_or(bpf_prog_type::BPF_PROG_TYPE_UNSPEC)
    }

    /// The id.
    pub fn id(&self) -> u32 {
        self.info.id()
    }

    /// A hash of the instructions.
    pub fn tag(&self) -> u64 {
        u64::from_be_bytes(self.info.tag())
    }

    /// Bytes of machine code; 0 without a compiler in the kernel.
    pub fn size_jitted(&self) -> u32 {
        self.info.jited_size()
    }

    /// Bytes of instructions; `None` if they may not be seen.
    pub fn size_translated(&self) -> Option<u32> {
        some(self.info.xlated_size())
    }

    /// When it was loaded.
    pub fn loaded_at(&self) -> Option<SystemTime> {
        let since_boot = self.info.load_time();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let booted = now.checked_sub(uptime()?)?;
        (!since_boot.is_zero()).then(|| UNIX_EPOCH + booted + since_boot)
    }

    /// The user who loaded it. Linux ≥ 4.15.
    pub fn created_by_uid(&self) -> Option<u32> {
        Some(self.info.uid())
    }

    /// The ids of the maps that it uses.
    ///
    /// # Errors
    /// None: they come with the description.
    pub fn map_ids(&self) -> Result<Option<Vec<u32>>, ProgramError> {
        Ok(Some(self.info.map_ids().to_vec()))
    }

    /// The name, as the kernel keeps it: 15 bytes at most. Linux ≥ 4.15.
    pub fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// The name, if it is text.
    pub fn name_as_str(&self) -> Option<&str> {
        (!self.name.is_empty()).then_some(&self.name)
    }

    /// Whether its licence is compatible with the GPL. Linux ≥ 4.18.
    pub fn gpl_compatible(&self) -> Option<bool> {
        Some(self.info.gpl_compatible())
    }

    /// The id of its types. Linux ≥ 5.0.
    pub fn btf_id(&self) -> Option<u32> {
        self.info.btf_id()
    }

    /// How long it has run, while somebody had the kernel count. Linux ≥ 5.1.
    pub fn run_time(&self) -> Duration {
        self.info.run_stats().1
    }

    /// How often it has run, while somebody had the kernel count. Linux ≥ 5.1.
    pub fn run_count(&self) -> u64 {
        self.info.run_stats().0
    }

    /// How many instructions the verifier looked at. Linux ≥ 5.16.
    pub fn verified_instruction_count(&self) -> Option<u32> {
        self.info.verified_insns()
    }

    /// Bytes of locked memory.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn memory_locked(&self) -> Result<u32, ProgramError> {
        use std::os::fd::AsRawFd as _;
        let fd = self.fd()?;
        let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
        let text = std::fs::read_to_string(path).map_err(ProgramError::IOError)?;
        let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
        line.and_then(|number| number.trim().parse().ok())
            .ok_or_else(|| ProgramError::IOError(std::io::ErrorKind::InvalidData.into()))
    }

    /// A descriptor of the program.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` when it is gone.
    pub fn fd(&self) -> Result<ProgramFd, ProgramError> {
        Ok(self.info.fd()?)
    }
}

fn some(number: u32) -> Option<u32> {
    (number != 0).then_some(number)
}

/// How long the machine has been up, with the time that it slept.
fn uptime() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split(' ').next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// All programs that are loaded, of whatever process. Needs CAP_SYS_ADMIN. Linux ≥ 4.13.
pub fn loaded_programs() -> impl Iterator<Item = Result<ProgramInfo, ProgramError>> {
    hachi::programs::loaded_programs().map(|info| Ok(ProgramInfo::new(info?)))
}
