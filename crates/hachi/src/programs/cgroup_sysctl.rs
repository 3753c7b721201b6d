//! Files below /proc/sys that processes of a cgroup read and write.

use std::path::Path;

use super::{AttachType, ProgramData, ProgramError, cgroup::cgroup_program};

/// A program asked when a process of a cgroup reads or writes a file below `/proc/sys`
/// (`BPF_PROG_TYPE_CGROUP_SYSCTL`): it returns 1 to allow and 0 to refuse with `EPERM`, and may
/// change what is written. Linux ≥ 5.2.
///
/// Section `cgroup/sysctl`.
///
/// ```no_run
/// use hachi::programs::{CgroupAttachMode, CgroupSysctl};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let cgroup = std::fs::File::open("/sys/fs/cgroup/user.slice")?;
/// let program: &mut CgroupSysctl = ebpf.program_mut("settings")?.try_into()?;
/// program.load()?;
/// program.attach(&cgroup, CgroupAttachMode::AllowMultiple)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct CgroupSysctl {
    pub(crate) data: ProgramData,
}

cgroup_program!(CgroupSysctl, CgroupSysctl);

impl CgroupSysctl {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin_for(path.as_ref(), AttachType::CgroupSysctl)
            .map(|data| CgroupSysctl { data })
    }
}
