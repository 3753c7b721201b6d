//! What can go wrong with programs.

use std::{error::Error, fmt, io, path::PathBuf};

use super::{
    extension::ExtensionError, kprobe::KProbeError, sk_reuseport::SkReuseportError,
    socket_filter::SocketFilterError, tc::TcError, trace_point::TracePointError,
    uprobe::UProbeError, xdp::XdpError,
};
use crate::{
    BtfError,
    maps::MapError,
    sys::{NetlinkError, SyscallError, io_error},
};

/// What the verifier wrote about a program that it refused.
pub struct VerifierLog {
    log: String,
    explanation: String,
}

/// The log, as the kernel wrote it.
impl fmt::Display for VerifierLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.log)
    }
}

/// What the log means, in terms of the source.
impl fmt::Debug for VerifierLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.explanation)
    }
}

/// An error of loading, running or attaching a program.
#[derive(Debug)]
pub enum ProgramError {
    /// It is loaded already.
    AlreadyLoaded,
    /// It is not loaded.
    NotLoaded,
    /// It is attached there already.
    AlreadyAttached,
    /// It is not attached, or no longer.
    NotAttached,
    /// The kernel refused to load it.
    LoadError {
        /// Its answer.
        io_error: io::Error,
        /// The verifier's log.
        verifier_log: VerifierLog,
    },
    /// A system call failed.
    SyscallError(SyscallError),
    /// There is no such interface.
    UnknownInterface {
        /// Its name.
        name: String,
    },
    /// It is of another type than asked for.
    UnexpectedProgramType,
    /// Something about a map failed.
    MapError(MapError),
    /// Of kprobes.
    KProbeError(KProbeError),
    /// Of uprobes.
    UProbeError(UProbeError),
    /// Of tracepoints.
    TracePointError(TracePointError),
    /// Of socket filters.
    SocketFilterError(SocketFilterError),
    /// Of programs for groups of sockets.
    SkReuseportError(SkReuseportError),
    /// Of XDP.
    XdpError(XdpError),
    /// Of classifiers.
    TcError(TcError),
    /// Of extensions.
    ExtensionError(ExtensionError),
    /// Of types.
    Btf(BtfError),
    /// The name cannot be passed to the kernel.
    InvalidName {
        /// The name.
        name: String,
    },
    /// Something went wrong with the system.
    IOError(io::Error),
    /// The kernel has no cookies here (Linux < 5.15).
    AttachCookieNotSupported,
    /// A request by netlink failed.
    NetlinkError(NetlinkError),
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramError::AlreadyLoaded => f.write_str("the program is loaded already"),
            ProgramError::NotLoaded => f.write_str("the program is not loaded"),
            ProgramError::AlreadyAttached => f.write_str("the program is attached there already"),
            ProgramError::NotAttached => f.write_str("the program is not attached"),
            ProgramError::LoadError { verifier_log, .. } => write!(f, "{verifier_log:?}"),
            ProgramError::SyscallError(error) => write!(f, "{error}: {}", error.io_error),
            ProgramError::UnknownInterface { name } => {
                write!(f, "there is no interface `{name}`")
            }
            ProgramError::UnexpectedProgramType => {
                f.write_str("the program is of another type than asked for")
            }
            ProgramError::MapError(error) => write!(f, "{error}"),
            ProgramError::KProbeError(error) => write!(f, "{error}"),
            ProgramError::UProbeError(error) => write!(f, "{error}"),
            ProgramError::TracePointError(error) => write!(f, "{error}"),
            ProgramError::SocketFilterError(error) => write!(f, "{error}"),
            ProgramError::SkReuseportError(error) => write!(f, "{error}"),
            ProgramError::XdpError(error) => write!(f, "{error}"),
            ProgramError::TcError(error) => write!(f, "{error}"),
            ProgramError::ExtensionError(error) => write!(f, "{error}"),
            ProgramError::Btf(error) => write!(f, "{error}"),
            ProgramError::InvalidName { name } => write!(f, "not a name: `{name}`"),
            ProgramError::IOError(error) => write!(f, "{error}"),
            ProgramError::AttachCookieNotSupported => {
                f.write_str("the kernel has no cookies of attachments (Linux < 5.15)")
            }
            ProgramError::NetlinkError(error) => write!(f, "{error}"),
        }
    }
}

impl Error for ProgramError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ProgramError::LoadError { io_error, .. } | ProgramError::IOError(io_error) => {
                Some(io_error)
            }
            ProgramError::SyscallError(error) => Some(error),
            ProgramError::MapError(error) => Some(error),
            ProgramError::Btf(error) => Some(error),
            ProgramError::NetlinkError(error) => Some(error),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($variant:ident($error:ty))*) => { $(
        impl From<$error> for ProgramError {
            fn from(error: $error) -> Self {
                ProgramError::$variant(error)
            }
        }
    )* };
}

from! {
    SyscallError(SyscallError) MapError(MapError) KProbeError(KProbeError)
    UProbeError(UProbeError) TracePointError(TracePointError)
    SocketFilterError(SocketFilterError) SkReuseportError(SkReuseportError) XdpError(XdpError)
    TcError(TcError) ExtensionError(ExtensionError) Btf(BtfError) IOError(io::Error)
    NetlinkError(NetlinkError)
}

/// What has no variant of its own: Hachi's words, which name what is concerned.
fn in_words(error: impl Error + Send + Sync + 'static) -> ProgramError {
    ProgramError::IOError(io::Error::other(error))
}

impl From<hachi::programs::ProgramError> for ProgramError {
    fn from(error: hachi::programs::ProgramError) -> Self {
        use hachi::programs::ProgramError as Hachi;
        match error {
            Hachi::UnexpectedProgramType { .. } => ProgramError::UnexpectedProgramType,
            Hachi::NotLoaded { .. } => ProgramError::NotLoaded,
            Hachi::AlreadyLoaded { .. } => ProgramError::AlreadyLoaded,
            Hachi::LoadError(rejection) => ProgramError::LoadError {
                io_error: io_error(&rejection.error),
                verifier_log: VerifierLog {
                    explanation: rejection.to_string(),
                    log: rejection.log,
                },
            },
            Hachi::SyscallError { error, .. } => ProgramError::SyscallError(error.into()),
            Hachi::Attach { error, .. } | Hachi::Link(error) => error.into(),
            Hachi::Map(error) => ProgramError::MapError(error.into()),
            other => in_words(other),
        }
    }
}

impl From<hachi::links::LinkError> for ProgramError {
    fn from(error: hachi::links::LinkError) -> Self {
        use hachi::links::{LinkError as Hachi, TargetKind};
        match error {
            Hachi::NoSuchInterface { name, .. } => ProgramError::UnknownInterface { name },
            Hachi::NotAttached => ProgramError::NotAttached,
            // The call behind it is the one that Aya would have made.
            Hachi::InterfaceBusy { .. } => ProgramError::SyscallError(SyscallError {
                call: "bpf_link_create",
                io_error: io::Error::from_raw_os_error(libc::EBUSY),
            }),
            Hachi::Attach { error, .. }
            | Hachi::Syscall { error, .. }
            | Hachi::Query { error, .. } => ProgramError::SyscallError(error.into()),
            Hachi::NoSuchTarget(target) => match target.kind {
                TargetKind::Tracepoint | TargetKind::TracepointCategory => {
                    ProgramError::TracePointError(TracePointError::FileError {
                        filename: PathBuf::from(target.name),
                        io_error: io::Error::from_raw_os_error(libc::ENOENT),
                    })
                }
                TargetKind::Binary => ProgramError::UProbeError(UProbeError::InvalidTarget {
                    path: PathBuf::from(target.name),
                }),
                TargetKind::Function => ProgramError::UProbeError(UProbeError::SymbolError {
                    symbol: target.name.clone(),
                    error: Box::new(io::Error::other(target.to_string())),
                }),
                TargetKind::KernelFunction => ProgramError::SyscallError(SyscallError {
                    call: "perf_event_open",
                    io_error: io::Error::from_raw_os_error(libc::ENOENT),
                }),
                _ => in_words(Hachi::NoSuchTarget(target)),
            },
            other => in_words(other),
        }
    }
}
