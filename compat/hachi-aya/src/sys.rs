//! What the kernel answers, and what it supports.

use std::{error::Error, fmt, io, os::fd::OwnedFd};

use hachi_aya_obj::generated::bpf_stats_type;

use crate::{
    maps::MapType,
    programs::{ProgramError, ProgramType},
};

/// A system call that failed.
#[derive(Debug)]
pub struct SyscallError {
    /// The call, such as `bpf_map_update_elem`.
    pub call: &'static str,
    /// The system's error.
    pub io_error: io::Error,
}

impl fmt::Display for SyscallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed", self.call)
    }
}

impl Error for SyscallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.io_error)
    }
}

impl From<hachi::SyscallError> for SyscallError {
    fn from(error: hachi::SyscallError) -> Self {
        SyscallError {
            call: error.call,
            io_error: io_error(&error),
        }
    }
}

/// The errno itself where there is one, so that `raw_os_error` works; what it means there stands in
/// Hachi's own message.
pub(crate) fn io_error(error: &hachi::SyscallError) -> io::Error {
    match error.errno() {
        0 => io::Error::other(error.to_string()),
        errno => io::Error::from_raw_os_error(errno),
    }
}

/// A request by netlink that failed.
#[derive(Debug)]
pub struct NetlinkError(pub(crate) io::Error);

impl NetlinkError {
    /// The errno, if there is one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.raw_os_error()
    }
}

impl fmt::Display for NetlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a netlink request failed: {}", self.0)
    }
}

impl Error for NetlinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Statistics that the kernel keeps on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stats {
    /// How often, and how long, programs run.
    RunTime,
}

impl From<Stats> for bpf_stats_type {
    fn from(stats: Stats) -> Self {
        let Stats::RunTime = stats;
        bpf_stats_type::BPF_STATS_RUN_TIME
    }
}

/// Makes the kernel keep statistics until the descriptor returned is closed. Linux ≥ 5.8.
///
/// # Errors
/// What the kernel refuses: `EPERM` without CAP_SYS_ADMIN.
pub fn enable_stats(stats: Stats) -> Result<OwnedFd, SyscallError> {
    let Stats::RunTime = stats;
    match hachi::programs::RunStats::enable() {
        Ok(stats) => Ok(stats.into()),
        Err(hachi::programs::ProgramError::SyscallError { error, .. }) => Err(error.into()),
        Err(other) => Err(SyscallError {
            call: "bpf_enable_stats",
            io_error: io::Error::other(other),
        }),
    }
}

/// Whether the running kernel can create maps of this type.
///
/// # Errors
/// `ENOENT` for a type without a number.
pub fn is_map_supported(map_type: MapType) -> Result<bool, SyscallError> {
    match map_type.to_hachi() {
        Some(kind) => Ok(hachi::features::map_type_is_supported(kind)),
        None => Err(SyscallError {
            call: "bpf_map_create",
            io_error: io::Error::from_raw_os_error(libc::EINVAL),
        }),
    }
}

/// Whether the running kernel is new enough for programs of this type.
///
/// # Errors
/// [`ProgramError::SyscallError`] for a type without a number.
pub fn is_program_supported(program_type: ProgramType) -> Result<bool, ProgramError> {
    let known = program_type.to_hachi();
    let (Some(kind), Some(running)) = (known, hachi::KernelVersion::current()) else {
        return Err(ProgramError::SyscallError(SyscallError {
            call: "bpf_prog_load",
            io_error: io::Error::from_raw_os_error(libc::EINVAL),
        }));
    };
    let (major, minor) = kind.first_kernel();
    let since = (u32::from(major), u32::from(minor));
    Ok((u32::from(running.major), u32::from(running.minor)) >= since)
}
