//! Addresses that processes of a cgroup give to system calls, or get from them.

use std::path::Path;

use super::{
    ProgramData, ProgramError,
    cgroup::{attach_types, cgroup_program},
};

/// A program that sees, and may change, the addresses which processes of a cgroup pass to `bind`,
/// `connect` and `sendmsg`, or get from `recvmsg`, `getpeername` and `getsockname`
/// (`BPF_PROG_TYPE_CGROUP_SOCK_ADDR`): it returns 1 to go on and, where there is something to
/// refuse, 0 for `EPERM`. Linux ≥ 4.17.
///
/// Sections `cgroup/bind4`, `…6`, `connect4`, `…6` (4.17); `sendmsg4`, `…6` (4.18); `recvmsg4`,
/// `…6` (5.2); `getpeername4`, `…6`, `getsockname4`, `…6` (5.8); `connect_unix`, `sendmsg_unix`,
/// `recvmsg_unix`, `getpeername_unix`, `getsockname_unix` (6.7).
///
/// ```no_run
/// use hachi::programs::{CgroupAttachMode, CgroupSockAddr};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let cgroup = std::fs::File::open("/sys/fs/cgroup/user.slice")?;
/// let program: &mut CgroupSockAddr = ebpf.program_mut("connect")?.try_into()?;
/// program.load()?;
/// program.attach(&cgroup, CgroupAttachMode::AllowMultiple)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct CgroupSockAddr {
    pub(crate) data: ProgramData,
}

attach_types! {
    /// Which system call, of which address family.
    CgroupSockAddrAttachType {
        /// `bind`, IPv4.
        Bind4 => CgroupInet4Bind,
        /// `bind`, IPv6.
        Bind6 => CgroupInet6Bind,
        /// `connect`, IPv4.
        Connect4 => CgroupInet4Connect,
        /// `connect`, IPv6.
        Connect6 => CgroupInet6Connect,
        /// `connect`, Unix.
        ConnectUnix => CgroupUnixConnect,
        /// `getpeername`, IPv4.
        GetPeerName4 => CgroupInet4Getpeername,
        /// `getpeername`, IPv6.
        GetPeerName6 => CgroupInet6Getpeername,
        /// `getpeername`, Unix.
        GetPeerNameUnix => CgroupUnixGetpeername,
        /// `getsockname`, IPv4.
        GetSockName4 => CgroupInet4Getsockname,
        /// `getsockname`, IPv6.
        GetSockName6 => CgroupInet6Getsockname,
        /// `getsockname`, Unix.
        GetSockNameUnix => CgroupUnixGetsockname,
        /// `sendmsg` and `sendto` of UDP, IPv4.
        UDPSendMsg4 => CgroupUdp4Sendmsg,
        /// `sendmsg` and `sendto` of UDP, IPv6.
        UDPSendMsg6 => CgroupUdp6Sendmsg,
        /// `sendmsg` and `sendto`, Unix datagrams.
        SendMsgUnix => CgroupUnixSendmsg,
        /// `recvmsg` and `recvfrom` of UDP, IPv4.
        UDPRecvMsg4 => CgroupUdp4Recvmsg,
        /// `recvmsg` and `recvfrom` of UDP, IPv6.
        UDPRecvMsg6 => CgroupUdp6Recvmsg,
        /// `recvmsg` and `recvfrom`, Unix datagrams.
        RecvMsgUnix => CgroupUnixRecvmsg,
    }
}

cgroup_program!(CgroupSockAddr, CgroupInet4Bind);

impl CgroupSockAddr {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(
        path: P,
        attach_type: CgroupSockAddrAttachType,
    ) -> Result<Self, ProgramError> {
        ProgramData::from_pin_for(path.as_ref(), attach_type.into())
            .map(|data| CgroupSockAddr { data })
    }
}
