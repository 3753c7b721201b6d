//! What happens to TCP connections of the processes of a cgroup.

use std::path::Path;

use super::{AttachType, ProgramData, ProgramError, cgroup::cgroup_program};

/// A program told of what happens to TCP connections of the processes of a cgroup
/// (`BPF_PROG_TYPE_SOCK_OPS`), such as that one was established, and asked for some of their
/// parameters. Linux ≥ 4.13.
///
/// Section `sockops`.
///
/// ```no_run
/// use hachi::programs::{CgroupAttachMode, SockOps};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let cgroup = std::fs::File::open("/sys/fs/cgroup/user.slice")?;
/// let program: &mut SockOps = ebpf.program_mut("connections")?.try_into()?;
/// program.load()?;
/// program.attach(&cgroup, CgroupAttachMode::AllowMultiple)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SockOps {
    pub(crate) data: ProgramData,
}

cgroup_program!(SockOps, CgroupSockOps);

impl SockOps {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin_for(path.as_ref(), AttachType::CgroupSockOps)
            .map(|data| SockOps { data })
    }
}
