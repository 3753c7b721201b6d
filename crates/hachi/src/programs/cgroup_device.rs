//! Devices that processes of a cgroup open and make.

use std::path::Path;

use super::{AttachType, ProgramData, ProgramError, cgroup::cgroup_program};

/// A program asked when a process of a cgroup opens a device file or makes one
/// (`BPF_PROG_TYPE_CGROUP_DEVICE`): it returns 1 to allow and 0 to refuse with `EPERM`. Linux ≥
/// 4.15.
///
/// Section `cgroup/dev`.
///
/// ```no_run
/// use hachi::programs::{CgroupAttachMode, CgroupDevice};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let cgroup = std::fs::File::open("/sys/fs/cgroup/user.slice")?;
/// let program: &mut CgroupDevice = ebpf.program_mut("devices")?.try_into()?;
/// program.load()?;
/// program.attach(&cgroup, CgroupAttachMode::AllowMultiple)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct CgroupDevice {
    pub(crate) data: ProgramData,
}

cgroup_program!(CgroupDevice, CgroupDevice);

impl CgroupDevice {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin_for(path.as_ref(), AttachType::CgroupDevice)
            .map(|data| CgroupDevice { data })
    }
}
