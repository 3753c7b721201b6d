//! Sockets of the processes of a cgroup, as they are made, bound and closed.

use std::path::Path;

use super::{
    ProgramData, ProgramError,
    cgroup::{attach_types, cgroup_program},
};

/// A program asked when a process of a cgroup makes a socket, when one has been bound, or told when
/// one is closed (`BPF_PROG_TYPE_CGROUP_SOCK`): it returns 1 to allow and 0 to refuse with `EPERM`.
/// Linux ≥ 4.10.
///
/// Sections `cgroup/sock_create` (also `cgroup/sock`), `cgroup/sock_release` (Linux ≥ 5.9),
/// `cgroup/post_bind4`, `cgroup/post_bind6` (Linux ≥ 4.17).
///
/// ```no_run
/// use hachi::programs::{CgroupAttachMode, CgroupSock};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let cgroup = std::fs::File::open("/sys/fs/cgroup/user.slice")?;
/// let program: &mut CgroupSock = ebpf.program_mut("sockets")?.try_into()?;
/// program.load()?;
/// program.attach(&cgroup, CgroupAttachMode::AllowMultiple)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct CgroupSock {
    pub(crate) data: ProgramData,
}

attach_types! {
    /// When.
    CgroupSockAttachType {
        /// After `bind` of an IPv4 socket.
        PostBind4 => CgroupInet4PostBind,
        /// After `bind` of an IPv6 socket.
        PostBind6 => CgroupInet6PostBind,
        /// In `socket`.
        SockCreate => CgroupInetSockCreate,
        /// As the socket is closed.
        SockRelease => CgroupInetSockRelease,
    }
}

cgroup_program!(CgroupSock, CgroupInetSockCreate);

impl CgroupSock {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(
        path: P,
        attach_type: CgroupSockAttachType,
    ) -> Result<Self, ProgramError> {
        ProgramData::from_pin_for(path.as_ref(), attach_type.into()).map(|data| CgroupSock { data })
    }
}
