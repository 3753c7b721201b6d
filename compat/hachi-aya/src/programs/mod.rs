//! Programs: what runs in the kernel, by type.

mod error;
mod info;
pub mod links;
mod program;
mod socket;
mod test_run;

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    path::{Path, PathBuf},
};

pub use hachi::programs::{
    CgroupAttachMode, CgroupSkbAttachType, CgroupSockAddrAttachType, CgroupSockAttachType,
    CgroupSockoptAttachType, ProbeKind, ProgramFd, SkSkbKind, XdpFlags,
};

pub use self::{
    cgroup_device::CgroupDevice,
    cgroup_skb::CgroupSkb,
    cgroup_sock::CgroupSock,
    cgroup_sock_addr::CgroupSockAddr,
    cgroup_sockopt::CgroupSockopt,
    cgroup_sysctl::CgroupSysctl,
    error::{ProgramError, VerifierLog},
    extension::{Extension, ExtensionError},
    fentry::FEntry,
    fexit::FExit,
    flow_dissector::FlowDissector,
    info::{ProgramInfo, loaded_programs},
    iter::Iter,
    kprobe::{KProbe, KProbeError},
    links::{Link, LinkOrder, MultiProgLink, MultiProgram, ProgramId, loaded_links},
    lirc_mode2::LircMode2,
    lsm::Lsm,
    lsm_cgroup::LsmCgroup,
    perf_event::PerfEvent,
    program::{LsmAttachType, Program, ProgramType},
    raw_trace_point::RawTracePoint,
    sk_lookup::SkLookup,
    sk_msg::SkMsg,
    sk_reuseport::{SkReuseport, SkReuseportAttachType, SkReuseportError},
    sk_skb::SkSkb,
    sock_ops::SockOps,
    socket_filter::{ReusePortSocketFilter, SocketFilter, SocketFilterError},
    tc::{SchedClassifier, TcAttachType, TcError, TcHandle},
    test_run::{
        RawTracePointRunOptions, RawTracePointTestRunResult, TestRun, TestRunAttrs, TestRunOptions,
        TestRunResult,
    },
    tp_btf::BtfTracePoint,
    trace_point::{TracePoint, TracePointError},
    uprobe::{UProbe, UProbeError},
    xdp::{Xdp, XdpError, XdpMode},
};
use crate::{
    Btf,
    maps::sock::SockMapFd,
    pin::{PinError, Pins},
};

/// What programs of all types have.
macro_rules! program {
    ($(#[$doc:meta])* $type:ident, $kind:expr $(, $section:literal)?) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $type(pub(crate) hachi::programs::$type, pub(crate) Pins);

        impl $type {
            /// The type, as the kernel has it.
            pub const PROGRAM_TYPE: ProgramType = $kind;

            /// The descriptor.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`].
            pub fn fd(&self) -> Result<&ProgramFd, ProgramError> {
                Ok(self.0.fd()?)
            }

            /// Detaches the program everywhere and unloads it (unless it is pinned).
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`].
            pub fn unload(&mut self) -> Result<(), ProgramError> {
                Ok(self.0.unload()?)
            }

            /// What the kernel says about the loaded program.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`].
            pub fn info(&self) -> Result<ProgramInfo, ProgramError> {
                Ok(ProgramInfo::new(self.0.info()?))
            }

            /// Pins the loaded program, so that it outlives the process.
            ///
            /// # Errors
            /// [`PinError::NoFd`] when it is not loaded, and what the system refuses.
            pub fn pin<P: AsRef<Path>>(&mut self, path: P) -> Result<(), PinError> {
                self.0.pin(&path)?;
                self.1.add(path.as_ref());
                Ok(())
            }

            /// Removes the pins that were made or opened here.
            ///
            /// # Errors
            /// When a pin is gone or another one stands in its place, which stays; and what the
            /// system refuses.
            pub fn unpin(&mut self) -> Result<(), io::Error> {
                self.1.remove()
            }
        }

        impl<'a> TryFrom<&'a Program> for &'a $type {
            type Error = ProgramError;

            fn try_from(program: &'a Program) -> Result<Self, ProgramError> {
                match program {
                    Program::$type(program) => Ok(program),
                    _ => Err(ProgramError::UnexpectedProgramType),
                }
            }
        }

        impl<'a> TryFrom<&'a mut Program> for &'a mut $type {
            type Error = ProgramError;

            fn try_from(program: &'a mut Program) -> Result<Self, ProgramError> {
                match program {
                    Program::$type(program) => Ok(program),
                    _ => Err(ProgramError::UnexpectedProgramType),
                }
            }
        }
    };
}

/// Ending and handing over attachments.
macro_rules! attachments {
    ($type:ident, $link:ident, $id:ident) => {
        impl $type {
            /// Ends an attachment.
            ///
            /// # Errors
            /// [`ProgramError::NotAttached`], and what the kernel refuses.
            pub fn detach(&mut self, link_id: $id) -> Result<(), ProgramError> {
                Ok(self.0.detach(link_id.0)?)
            }

            /// Hands over an attachment: it lasts as long as the value returned.
            ///
            /// # Errors
            /// [`ProgramError::NotAttached`].
            pub fn take_link(&mut self, link_id: $id) -> Result<$link, ProgramError> {
                Ok($link {
                    link: self.0.take_link(link_id.0)?,
                    id: link_id.0,
                })
            }
        }
    };
    ($type:ident, $link:ident, $id:ident, $name:literal) => {
        links::link_type!($name, $link, $id);
        attachments!($type, $link, $id);
    };
}

macro_rules! load {
    ($type:ident) => {
        impl $type {
            /// Loads the program into the kernel, which verifies it.
            ///
            /// # Errors
            /// [`ProgramError::LoadError`] when it refuses.
            pub fn load(&mut self) -> Result<(), ProgramError> {
                Ok(self.0.load()?)
            }
        }
    };
}

macro_rules! from_pin {
    ($type:ident) => {
        impl $type {
            /// Opens the program pinned at `path`. It is loaded already.
            ///
            /// # Errors
            /// When nothing is pinned there, or a program of another type.
            pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
                Ok($type(
                    hachi::programs::$type::from_pin(&path)?,
                    Pins::at(path.as_ref()),
                ))
            }
        }
    };
    ($type:ident, $kind:ty) => {
        impl $type {
            /// Opens the program of this kind pinned at `path`. It is loaded already.
            ///
            /// # Errors
            /// When nothing is pinned there, or a program of another type.
            pub fn from_pin<P: AsRef<Path>>(path: P, kind: $kind) -> Result<Self, ProgramError> {
                let program = hachi::programs::$type::from_pin(&path, kind)?;
                Ok($type(program, Pins::at(path.as_ref())))
            }
        }
    };
}

macro_rules! test_run {
    ($type:ident) => {
        impl TestRun for $type {
            type Opts<'a> = TestRunOptions<'a>;
            type Result = TestRunResult;

            fn test_run(&self, opts: Self::Opts<'_>) -> Result<Self::Result, ProgramError> {
                opts.run(|options| self.0.test_run(options))
            }
        }
    };
}

/// `attach(cgroup, mode)`.
macro_rules! of_cgroup {
    ($type:ident, $id:ident) => {
        impl $type {
            /// Attaches the loaded program to a cgroup.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`], and what the kernel refuses.
            pub fn attach<T: AsFd>(
                &mut self,
                cgroup: T,
                mode: CgroupAttachMode,
            ) -> Result<$id, ProgramError> {
                Ok($id(self.0.attach(cgroup, mode)?))
            }
        }
    };
}

/// `attach(target)` of whatever has a descriptor.
macro_rules! of_fd {
    ($type:ident, $id:ident, $what:literal) => {
        impl $type {
            #[doc = concat!("Attaches the loaded program to ", $what, ".")]
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`], and what the kernel refuses.
            pub fn attach<T: AsFd>(&mut self, target: T) -> Result<$id, ProgramError> {
                Ok($id(self.0.attach(target)?))
            }
        }
    };
}

/// `load(name, btf)`, and what all of these have but the way to attach.
macro_rules! traced {
    ($type:ident, $what:literal) => {
        impl $type {
            #[doc = concat!("Loads the program for this ", $what, ".")]
            ///
            /// # Errors
            /// [`ProgramError::LoadError`] when the kernel refuses.
            pub fn load(&mut self, name: &str, btf: &Btf) -> Result<(), ProgramError> {
                Ok(self.0.load(name, &btf.0)?)
            }
        }
    };
}

/// `attach()` to what it was loaded for.
macro_rules! of_itself {
    ($type:ident, $id:ident) => {
        impl $type {
            /// Attaches the loaded program to what it was loaded for.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`], and what the kernel refuses.
            pub fn attach(&mut self) -> Result<$id, ProgramError> {
                Ok($id(self.0.attach()?))
            }
        }
    };
}

/// An error that is a path and what the system said of it.
macro_rules! file_error {
    ($error:ident) => {
        impl std::fmt::Display for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let $error::FileError { filename, io_error } = self;
                write!(f, "`{}`: {io_error}", filename.display())
            }
        }

        impl std::error::Error for $error {}
    };
}

/// An error of an option of sockets.
macro_rules! option_error {
    ($error:ident) => {
        /// An error of attaching to a socket.
        #[derive(Debug)]
        pub enum $error {
            /// The option could not be set.
            SetsockoptError {
                /// Its name.
                option: &'static str,
                /// The system's answer.
                io_error: std::io::Error,
            },
        }

        impl std::fmt::Display for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let $error::SetsockoptError { option, io_error } = self;
                write!(f, "cannot set {option}: {io_error}")
            }
        }

        impl std::error::Error for $error {}
    };
}

// Below the macros that they use.
pub mod cgroup_device;
pub mod cgroup_skb;
pub mod cgroup_sock;
pub mod cgroup_sock_addr;
pub mod cgroup_sockopt;
pub mod cgroup_sysctl;
pub mod extension;
pub mod fentry;
pub mod fexit;
pub mod flow_dissector;
pub mod iter;
pub mod kprobe;
pub mod lirc_mode2;
mod loaded;
pub mod lsm;
pub mod lsm_cgroup;
pub mod perf_event;
pub mod raw_trace_point;
pub mod sk_lookup;
pub mod sk_msg;
pub mod sk_reuseport;
pub mod sk_skb;
pub mod sock_ops;
pub mod socket_filter;
pub mod tc;
pub mod tp_btf;
pub mod trace_point;
pub mod uprobe;
pub mod xdp;
