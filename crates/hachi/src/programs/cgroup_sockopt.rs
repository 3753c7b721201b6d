//! Options of sockets of the processes of a cgroup.

use std::path::Path;

use super::{
    ProgramData, ProgramError,
    cgroup::{attach_types, cgroup_program},
};

/// A program that sees, and may change or answer, `getsockopt` and `setsockopt` calls of the
/// processes of a cgroup (`BPF_PROG_TYPE_CGROUP_SOCKOPT`): it returns 1 to go on and 0 to refuse
/// with `EPERM`. Linux ≥ 5.3.
///
/// Sections `cgroup/getsockopt` and `cgroup/setsockopt`.
///
/// ```no_run
/// use hachi::programs::{CgroupAttachMode, CgroupSockopt};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let cgroup = std::fs::File::open("/sys/fs/cgroup/user.slice")?;
/// let program: &mut CgroupSockopt = ebpf.program_mut("options")?.try_into()?;
/// program.load()?;
/// program.attach(&cgroup, CgroupAttachMode::AllowMultiple)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct CgroupSockopt {
    pub(crate) data: ProgramData,
}

attach_types! {
    /// Which call.
    CgroupSockoptAttachType {
        /// `getsockopt`, after the kernel has answered.
        Get => CgroupGetsockopt,
        /// `setsockopt`, before the kernel gets it.
        Set => CgroupSetsockopt,
    }
}

cgroup_program!(CgroupSockopt, CgroupGetsockopt);

impl CgroupSockopt {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(
        path: P,
        attach_type: CgroupSockoptAttachType,
    ) -> Result<Self, ProgramError> {
        ProgramData::from_pin_for(path.as_ref(), attach_type.into())
            .map(|data| CgroupSockopt { data })
    }
}
