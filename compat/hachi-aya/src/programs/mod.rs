//! Programs: what runs in the kernel, by type.

mod error;
mod info;
pub mod links;
mod program;
mod socket;
mod test_run;

use std::{
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
use crate::{Btf, maps::sock::SockMapFd, pin::PinError};

/// What programs of all types have.
macro_rules! program {
    ($(#[$doc:meta])* $type:ident, $kind:expr $(, $section:literal)?) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $type(pub(crate) hachi::programs::$type);

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
                Ok(self.0.pin(path)?)
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
                Ok($type(hachi::programs::$type::from_pin(path)?))
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
                Ok($type(hachi::programs::$type::from_pin(path, kind)?))
            }
        }
    };
}

macro_rules! test_run {
    ($type:ident) => {
        impl TestRun for $type {
            type Opts<'a> = TestRunOptions<'a>;
            type Result = TestRunResult;

            fn test_run(&self, opts: TestRunOptions<'_>) -> Result<TestRunResult, ProgramError> {
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

/// which devices may be used.
pub mod cgroup_device {
    use super::*;

    program! {
        /// A program of cgroups: which devices may be used.
        CgroupDevice, ProgramType::CgroupDevice
    }
    attachments!(
        CgroupDevice,
        CgroupDeviceLink,
        CgroupDeviceLinkId,
        "CgroupDevice"
    );
    load!(CgroupDevice);
    from_pin!(CgroupDevice);
    of_cgroup!(CgroupDevice, CgroupDeviceLinkId);
}

/// how kernel parameters are read and written.
pub mod cgroup_sysctl {
    use super::*;

    program! {
        /// A program of cgroups: how kernel parameters are read and written.
        CgroupSysctl, ProgramType::CgroupSysctl
    }
    attachments!(
        CgroupSysctl,
        CgroupSysctlLink,
        CgroupSysctlLinkId,
        "CgroupSysctl"
    );
    load!(CgroupSysctl);
    from_pin!(CgroupSysctl);
    of_cgroup!(CgroupSysctl, CgroupSysctlLinkId);
}

/// which sockets are made and released.
pub mod cgroup_sock {
    use super::*;

    program! {
        /// A program of cgroups: which sockets are made and released.
        CgroupSock, ProgramType::CgroupSock
    }
    attachments!(CgroupSock, CgroupSockLink, CgroupSockLinkId, "CgroupSock");
    load!(CgroupSock);
    from_pin!(CgroupSock, CgroupSockAttachType);
    pub use hachi::programs::CgroupSockAttachType;

    of_cgroup!(CgroupSock, CgroupSockLinkId);
}

/// addresses that sockets bind, connect and send to.
pub mod cgroup_sock_addr {
    use super::*;

    program! {
        /// A program of cgroups: addresses that sockets bind, connect and send to.
        CgroupSockAddr, ProgramType::CgroupSockAddr
    }
    attachments!(
        CgroupSockAddr,
        CgroupSockAddrLink,
        CgroupSockAddrLinkId,
        "CgroupSockAddr"
    );
    load!(CgroupSockAddr);
    from_pin!(CgroupSockAddr, CgroupSockAddrAttachType);
    pub use hachi::programs::CgroupSockAddrAttachType;

    of_cgroup!(CgroupSockAddr, CgroupSockAddrLinkId);
}

/// how options of sockets are read and set.
pub mod cgroup_sockopt {
    use super::*;

    program! {
        /// A program of cgroups: how options of sockets are read and set.
        CgroupSockopt, ProgramType::CgroupSockopt
    }
    attachments!(
        CgroupSockopt,
        CgroupSockoptLink,
        CgroupSockoptLinkId,
        "CgroupSockopt"
    );
    load!(CgroupSockopt);
    from_pin!(CgroupSockopt, CgroupSockoptAttachType);
    pub use hachi::programs::CgroupSockoptAttachType;

    of_cgroup!(CgroupSockopt, CgroupSockoptLinkId);
}

/// packets.
pub mod cgroup_skb {
    use super::*;

    program! {
        /// A program of cgroups: packets.
        CgroupSkb, ProgramType::CgroupSkb
    }
    attachments!(CgroupSkb, CgroupSkbLink, CgroupSkbLinkId, "CgroupSkb");
    load!(CgroupSkb);
    from_pin!(CgroupSkb, CgroupSkbAttachType);
    pub use hachi::programs::CgroupSkbAttachType;

    test_run!(CgroupSkb);

    impl CgroupSkb {
        /// Attaches the loaded program to a cgroup, for packets in this direction.
        ///
        /// # Errors
        /// [`ProgramError::NotLoaded`], and what the kernel refuses.
        pub fn attach<T: AsFd>(
            &mut self,
            cgroup: T,
            attach_type: CgroupSkbAttachType,
            mode: CgroupAttachMode,
        ) -> Result<CgroupSkbLinkId, ProgramError> {
            Ok(CgroupSkbLinkId(self.0.attach(cgroup, attach_type, mode)?))
        }
    }
}

/// TCP connections, as they come and go.
pub mod sock_ops {
    use super::*;

    program! {
        /// A program of cgroups: TCP connections, as they come and go.
        SockOps, ProgramType::SockOps
    }
    attachments!(SockOps, SockOpsLink, SockOpsLinkId, "SockOps");
    load!(SockOps);
    from_pin!(SockOps);
    of_cgroup!(SockOps, SockOpsLinkId);
}

/// Functions of other programs.
pub mod extension {
    use super::*;

    program! {
        /// A function in place of one of another program. Linux ≥ 5.6.
        Extension, ProgramType::Extension
    }
    attachments!(Extension, ExtensionLink, ExtensionLinkId, "Extension");
    /// An error of extensions.
    #[derive(Debug)]
    pub enum ExtensionError {
        /// The other program has no types.
        NoBTF,
    }

    impl std::fmt::Display for ExtensionError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the program to extend was loaded without types (BTF)")
        }
    }

    impl std::error::Error for ExtensionError {}

    of_itself!(Extension, ExtensionLinkId);

    impl Extension {
        /// Loads the program in place of a function of a loaded one.
        ///
        /// # Errors
        /// [`ProgramError::LoadError`] when the kernel refuses.
        pub fn load(&mut self, program: ProgramFd, func_name: &str) -> Result<(), ProgramError> {
            Ok(self.0.load(program, func_name)?)
        }

        /// Attaches the loaded program to a function of another program than it was loaded for.
        ///
        /// # Errors
        /// [`ProgramError::NotLoaded`], and what the kernel refuses.
        pub fn attach_to_program(
            &mut self,
            program: &ProgramFd,
            func_name: &str,
        ) -> Result<ExtensionLinkId, ProgramError> {
            Ok(ExtensionLinkId(
                self.0.attach_to_program(program, func_name)?,
            ))
        }
    }
}

/// A function of the kernel.
pub mod fentry {
    use super::*;

    program! {
        /// A program for a function of the kernel.
        FEntry, ProgramType::Tracing
    }
    attachments!(FEntry, FEntryLink, FEntryLinkId, "FEntry");
    traced!(FEntry, "function of the kernel");
    of_itself!(FEntry, FEntryLinkId);
    from_pin!(FEntry);
}

/// A function of the kernel.
pub mod fexit {
    use super::*;

    program! {
        /// A program for a function of the kernel.
        FExit, ProgramType::Tracing
    }
    attachments!(FExit, FExitLink, FExitLinkId, "FExit");
    traced!(FExit, "function of the kernel");
    of_itself!(FExit, FExitLinkId);
    from_pin!(FExit);
}

/// A tracepoint.
pub mod tp_btf {
    use super::*;

    program! {
        /// A program for a tracepoint.
        BtfTracePoint, ProgramType::Tracing
    }
    attachments!(
        BtfTracePoint,
        BtfTracePointLink,
        BtfTracePointLinkId,
        "BtfTracePoint"
    );
    traced!(BtfTracePoint, "tracepoint");
    of_itself!(BtfTracePoint, BtfTracePointLinkId);
    from_pin!(BtfTracePoint);
}

/// A kind of thing that the kernel lists.
pub mod iter {
    use super::*;

    program! {
        /// A program for a kind of thing that the kernel lists.
        Iter, ProgramType::Tracing
    }
    attachments!(Iter, IterLink, IterLinkId, "Iter");
    traced!(Iter, "kind of thing that the kernel lists");
    of_itself!(Iter, IterLinkId);
    from_pin!(Iter);

    impl IterLink {
        /// What the iterator writes, as a file to read.
        ///
        /// # Errors
        /// What the kernel refuses.
        pub fn into_file(self) -> Result<std::fs::File, links::LinkError> {
            links::read_iter(&self.link)
        }
    }
}

/// A hook of the kernel's security modules.
pub mod lsm {
    use super::*;

    program! {
        /// A program for a hook of the kernel's security modules.
        Lsm, ProgramType::Lsm(LsmAttachType::Mac)
    }
    attachments!(Lsm, LsmLink, LsmLinkId, "Lsm");
    traced!(Lsm, "hook of the kernel's security modules");
    of_itself!(Lsm, LsmLinkId);
    from_pin!(Lsm);
}

/// Hooks of the kernel's security modules, by cgroup.
pub mod lsm_cgroup {
    use super::*;

    program! {
        /// A program for a hook of the security modules, for a cgroup. Linux ≥ 6.0.
        LsmCgroup, ProgramType::Lsm(LsmAttachType::Cgroup)
    }
    attachments!(LsmCgroup, LsmLink, LsmLinkId, "LsmCgroup");
    traced!(LsmCgroup, "hook of the kernel's security modules");
    of_fd!(LsmCgroup, LsmLinkId, "a cgroup");
    from_pin!(LsmCgroup);
}

/// How packets are dissected.
pub mod flow_dissector {
    use super::*;

    program! {
        /// A program that dissects packets of a network namespace.
        FlowDissector, ProgramType::FlowDissector
    }
    attachments!(
        FlowDissector,
        FlowDissectorLink,
        FlowDissectorLinkId,
        "FlowDissector"
    );
    load!(FlowDissector);
    of_fd!(FlowDissector, FlowDissectorLinkId, "a network namespace");
    from_pin!(FlowDissector);
    test_run!(FlowDissector);
}

/// Which socket gets a packet.
pub mod sk_lookup {
    use super::*;

    program! {
        /// A program that chooses the socket of a packet. Linux ≥ 5.9.
        SkLookup, ProgramType::SkLookup
    }
    attachments!(SkLookup, SkLookupLink, SkLookupLinkId, "SkLookup");
    load!(SkLookup);
    of_fd!(SkLookup, SkLookupLinkId, "a network namespace");
    from_pin!(SkLookup);
}

/// Infrared receivers.
pub mod lirc_mode2 {
    use super::*;

    program! {
        /// A program that decodes what an infrared receiver gets.
        LircMode2, ProgramType::LircMode2
    }
    attachments!(LircMode2, LircLink, LircLinkId, "LircMode2");
    load!(LircMode2);
    of_fd!(LircMode2, LircLinkId, "an infrared device");
    from_pin!(LircMode2);
}

/// What sockets in a map send.
pub mod sk_msg {
    use super::*;

    program! {
        /// A program for messages that sockets in a map send.
        SkMsg, ProgramType::SkMsg
    }
    attachments!(SkMsg, SkMsgLink, SkMsgLinkId, "SkMsg");
    load!(SkMsg);
    from_pin!(SkMsg);

    impl SkMsg {
        /// Attaches the loaded program to a map of sockets.
        ///
        /// # Errors
        /// [`ProgramError::NotLoaded`], and what the kernel refuses.
        pub fn attach(&mut self, map: &SockMapFd) -> Result<SkMsgLinkId, ProgramError> {
            Ok(SkMsgLinkId(self.0.attach(map)?))
        }
    }
}

/// What sockets in a map receive.
pub mod sk_skb {
    use super::*;

    program! {
        /// A program for what sockets in a map receive.
        SkSkb, ProgramType::SkSkb
    }
    attachments!(SkSkb, SkSkbLink, SkSkbLinkId, "SkSkb");
    pub use hachi::programs::SkSkbKind;

    load!(SkSkb);
    from_pin!(SkSkb, SkSkbKind);

    impl SkSkb {
        /// Attaches the loaded program to a map of sockets.
        ///
        /// # Errors
        /// [`ProgramError::NotLoaded`], and what the kernel refuses.
        pub fn attach(&mut self, map: &SockMapFd) -> Result<SkSkbLinkId, ProgramError> {
            Ok(SkSkbLinkId(self.0.attach(map)?))
        }
    }
}

/// Functions of the kernel.
pub mod kprobe {
    use super::*;

    program! {
        /// A program at a function of the kernel, entered or returning.
        KProbe, ProgramType::KProbe
    }
    attachments!(KProbe, KProbeLink, KProbeLinkId, "KProbe");
    load!(KProbe);
    from_pin!(KProbe, ProbeKind);

    /// An error of kprobes.
    #[derive(Debug)]
    pub enum KProbeError {
        /// A file of the system cannot be read or written.
        FileError {
            /// The file.
            filename: PathBuf,
            /// Why.
            io_error: std::io::Error,
        },
    }

    file_error!(KProbeError);

    impl KProbe {
        /// Entry or return.
        pub fn kind(&self) -> ProbeKind {
            self.0.kind()
        }

        /// Attaches the loaded program to a function, `offset` bytes in.
        ///
        /// # Errors
        /// [`ProgramError::SyscallError`] with `ENOENT` when there is no such function, and what
        /// the kernel refuses.
        pub fn attach<T: AsRef<std::ffi::OsStr>>(
            &mut self,
            fn_name: T,
            offset: u64,
        ) -> Result<KProbeLinkId, ProgramError> {
            let name = fn_name.as_ref().to_string_lossy();
            Ok(KProbeLinkId(self.0.attach(&name, offset)?))
        }
    }
}

/// Tracepoints, with their records.
pub mod trace_point {
    use super::*;

    program! {
        /// A program for a tracepoint.
        TracePoint, ProgramType::TracePoint
    }
    attachments!(TracePoint, TracePointLink, TracePointLinkId, "TracePoint");
    load!(TracePoint);
    from_pin!(TracePoint);

    /// An error of tracepoints.
    #[derive(Debug)]
    pub enum TracePointError {
        /// A file of tracefs cannot be read: there is no such tracepoint.
        FileError {
            /// The file.
            filename: PathBuf,
            /// Why.
            io_error: std::io::Error,
        },
    }

    file_error!(TracePointError);

    impl TracePoint {
        /// Attaches the loaded program to a tracepoint.
        ///
        /// # Errors
        /// [`ProgramError::TracePointError`] when there is none, and what the kernel refuses.
        pub fn attach(
            &mut self,
            category: &str,
            name: &str,
        ) -> Result<TracePointLinkId, ProgramError> {
            Ok(TracePointLinkId(self.0.attach(category, name)?))
        }
    }
}

/// Tracepoints, with their arguments.
pub mod raw_trace_point {
    use super::*;

    program! {
        /// A program for a tracepoint, which gets its arguments.
        RawTracePoint, ProgramType::RawTracePoint
    }
    attachments!(
        RawTracePoint,
        RawTracePointLink,
        RawTracePointLinkId,
        "RawTracePoint"
    );
    load!(RawTracePoint);
    from_pin!(RawTracePoint);

    impl RawTracePoint {
        /// Attaches the loaded program to a tracepoint.
        ///
        /// # Errors
        /// What the kernel refuses: `ENOENT` when there is none.
        pub fn attach(&mut self, tp_name: &str) -> Result<RawTracePointLinkId, ProgramError> {
            Ok(RawTracePointLinkId(self.0.attach(tp_name)?))
        }
    }

    impl TestRun for RawTracePoint {
        type Opts<'a> = RawTracePointRunOptions;
        type Result = RawTracePointTestRunResult;

        fn test_run(
            &self,
            opts: RawTracePointRunOptions,
        ) -> Result<RawTracePointTestRunResult, ProgramError> {
            let mut arguments = [0; 96];
            for (bytes, argument) in arguments.chunks_exact_mut(8).zip(opts.args) {
                bytes.copy_from_slice(&argument.to_ne_bytes());
            }
            let mut options = hachi::programs::TestRunOptions::new().context(&arguments);
            if let Some(cpu) = opts.cpu {
                options = options.on_cpu(cpu);
            }
            Ok(RawTracePointTestRunResult {
                return_value: self.0.test_run(&options)?.return_value,
            })
        }
    }
}

/// Events of perf.
pub mod perf_event {
    use super::*;

    program! {
        /// A program for events of perf: timers, counters, breakpoints.
        PerfEvent, ProgramType::PerfEvent
    }
    attachments!(PerfEvent, PerfEventLink, PerfEventLinkId, "PerfEvent");
    pub use hachi::programs::{
        BreakpointConfig, HardwareEvent, HwCacheEvent, HwCacheOp, HwCacheResult,
        PerfBreakpointLength, PerfBreakpointType, PerfEventConfig, PerfEventScope, SamplePolicy,
        SoftwareEvent,
    };

    load!(PerfEvent);
    from_pin!(PerfEvent);

    impl PerfEvent {
        /// Attaches the loaded program to an event.
        ///
        /// # Errors
        /// [`ProgramError::NotLoaded`], and what the kernel refuses.
        pub fn attach(
            &mut self,
            config: PerfEventConfig,
            scope: PerfEventScope,
            sample_policy: SamplePolicy,
            inherit: bool,
        ) -> Result<PerfEventLinkId, ProgramError> {
            let link = self.0.attach(config, scope, sample_policy, inherit)?;
            Ok(PerfEventLinkId(link))
        }
    }
}

/// What a socket receives.
pub mod socket_filter {
    use super::*;

    option_error!(SocketFilterError);

    program! {
        /// A program that a socket passes what it receives to.
        SocketFilter, ProgramType::SocketFilter
    }
    from_pin!(SocketFilter);
    test_run!(SocketFilter);

    load!(SocketFilter);

    impl SocketFilter {
        /// Attaches the loaded program to a socket. It stays there until the socket is closed or
        /// [`detach`](Self::detach) is called, also when this value is gone.
        ///
        /// # Errors
        /// [`ProgramError::NotLoaded`], and what the kernel refuses.
        pub fn attach<T: AsFd>(&self, socket: T) -> Result<(), ProgramError> {
            let program = self.fd()?.as_raw_fd();
            socket::set(socket.as_fd(), libc::SO_ATTACH_BPF, program).map_err(|io_error| {
                let option = "SO_ATTACH_BPF";
                SocketFilterError::SetsockoptError { option, io_error }.into()
            })
        }

        /// Takes whichever program of this kind the socket has from it.
        ///
        /// # Errors
        /// What the kernel refuses: `ENOENT` when it has none.
        pub fn detach<T: AsFd>(socket: T) -> Result<(), ProgramError> {
            socket::set(socket.as_fd(), libc::SO_DETACH_BPF, 0).map_err(|io_error| {
                let option = "SO_DETACH_BPF";
                SocketFilterError::SetsockoptError { option, io_error }.into()
            })
        }
    }

    /// A socket filter that chooses among the sockets of a group which share a port.
    #[derive(Debug)]
    #[repr(transparent)]
    pub struct ReusePortSocketFilter(SocketFilter);

    impl ReusePortSocketFilter {
        /// Opens the program pinned at `path`. It is loaded already.
        ///
        /// # Errors
        /// When nothing is pinned there, or a program of another type.
        pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
            SocketFilter::from_pin(path).map(ReusePortSocketFilter)
        }

        /// Loads the program into the kernel, which verifies it.
        ///
        /// # Errors
        /// [`ProgramError::LoadError`] when it refuses.
        pub fn load(&mut self) -> Result<(), ProgramError> {
            self.0.load()
        }

        /// The descriptor.
        ///
        /// # Errors
        /// [`ProgramError::NotLoaded`].
        pub fn fd(&self) -> Result<&ProgramFd, ProgramError> {
            self.0.fd()
        }

        /// Attaches the loaded program to the group that a socket is of. It stays there.
        ///
        /// # Errors
        /// [`ProgramError::NotLoaded`], and what the kernel refuses.
        pub fn attach<T: AsFd>(&self, socket: T) -> Result<(), ProgramError> {
            let program = self.fd()?.as_raw_fd();
            let option = "SO_ATTACH_REUSEPORT_EBPF";
            socket::set(socket.as_fd(), libc::SO_ATTACH_REUSEPORT_EBPF, program)
                .map_err(|io_error| SocketFilterError::SetsockoptError { option, io_error }.into())
        }

        /// Takes the program from the group that a socket is of.
        ///
        /// # Errors
        /// What the kernel refuses: `ENOENT` when it has none.
        pub fn detach<T: AsFd>(socket: T) -> Result<(), ProgramError> {
            SkReuseport::detach(socket)
        }
    }

    /// An object does not say which of the two a program in section `socket` is to be.
    impl<'a> TryFrom<&'a Program> for &'a ReusePortSocketFilter {
        type Error = ProgramError;

        fn try_from(program: &'a Program) -> Result<Self, ProgramError> {
            let program: &SocketFilter = program.try_into()?;
            // SAFETY: `repr(transparent)`: a reference to the one is a reference to the other.
            Ok(unsafe { &*(program as *const SocketFilter).cast() })
        }
    }

    impl<'a> TryFrom<&'a mut Program> for &'a mut ReusePortSocketFilter {
        type Error = ProgramError;

        fn try_from(program: &'a mut Program) -> Result<Self, ProgramError> {
            let program: &mut SocketFilter = program.try_into()?;
            // SAFETY: `repr(transparent)`: a reference to the one is a reference to the other.
            Ok(unsafe { &mut *(program as *mut SocketFilter).cast() })
        }
    }
}

/// Which of the sockets that share a port gets a packet.
pub mod sk_reuseport {
    use super::*;

    option_error!(SkReuseportError);

    /// Whether the program is also asked where connections go whose socket is closed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum SkReuseportAttachType {
        /// No.
        Select,
        /// Yes. Linux ≥ 5.14.
        SelectOrMigrate,
    }

    program! {
        /// A program that chooses among the sockets which share a port.
        SkReuseport, ProgramType::SkReuseport
    }

    load!(SkReuseport);

    impl SkReuseport {
        /// Attaches the loaded program to a socket. It stays there until the socket is closed or
        /// [`detach`](Self::detach) is called, also when this value is gone.
        ///
        /// # Errors
        /// [`ProgramError::NotLoaded`], and what the kernel refuses.
        pub fn attach<T: AsFd>(&self, socket: T) -> Result<(), ProgramError> {
            let program = self.fd()?.as_raw_fd();
            socket::set(socket.as_fd(), libc::SO_ATTACH_REUSEPORT_EBPF, program).map_err(
                |io_error| {
                    let option = "SO_ATTACH_REUSEPORT_EBPF";
                    SkReuseportError::SetsockoptError { option, io_error }.into()
                },
            )
        }

        /// Takes whichever program of this kind the socket has from it.
        ///
        /// # Errors
        /// What the kernel refuses: `ENOENT` when it has none.
        pub fn detach<T: AsFd>(socket: T) -> Result<(), ProgramError> {
            socket::set(socket.as_fd(), libc::SO_DETACH_REUSEPORT_BPF, 0).map_err(|io_error| {
                let option = "SO_DETACH_REUSEPORT_BPF";
                SkReuseportError::SetsockoptError { option, io_error }.into()
            })
        }
    }

    impl SkReuseport {
        /// Opens the program pinned at `path`. It is loaded already.
        ///
        /// # Errors
        /// When nothing is pinned there, or a program of another type.
        pub fn from_pin<P: AsRef<Path>>(
            path: P,
            _attach_type: SkReuseportAttachType,
        ) -> Result<Self, ProgramError> {
            Ok(SkReuseport(hachi::programs::SkReuseport::from_pin(path)?))
        }
    }
}

/// Packets, as interfaces receive them.
pub mod xdp {
    use super::*;

    program! {
        /// A program for packets as an interface receives them.
        Xdp, ProgramType::Xdp
    }
    attachments!(Xdp, XdpLink, XdpLinkId, "Xdp");
    load!(Xdp);
    test_run!(Xdp);

    /// An error of XDP.
    #[derive(Debug)]
    pub enum XdpError {
        /// A request by netlink failed.
        NetlinkError(crate::sys::NetlinkError),
    }

    impl std::fmt::Display for XdpError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let XdpError::NetlinkError(error) = self;
            write!(f, "{error}")
        }
    }

    impl std::error::Error for XdpError {}

    /// What an XDP program is attached to.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum XdpAttachType {
        /// An interface.
        Interface,
        /// An entry of a map of CPUs.
        CpuMap,
        /// An entry of a map of interfaces.
        DevMap,
    }

    /// Where in the stack.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum XdpMode {
        /// In the driver where it can, else in the generic receive path.
        #[default]
        Default,
        /// In the generic receive path.
        Skb,
        /// In the driver.
        Driver,
        /// On the network card.
        Hardware,
    }

    impl From<XdpMode> for XdpFlags {
        fn from(mode: XdpMode) -> Self {
            match mode {
                XdpMode::Default => XdpFlags::empty(),
                XdpMode::Skb => XdpFlags::SKB_MODE,
                XdpMode::Driver => XdpFlags::DRV_MODE,
                XdpMode::Hardware => XdpFlags::HW_MODE,
            }
        }
    }

    impl Xdp {
        /// Opens the program pinned at `path`. It is loaded already.
        ///
        /// # Errors
        /// When nothing is pinned there, or a program of another type.
        pub fn from_pin<P: AsRef<Path>>(
            path: P,
            _attach_type: XdpAttachType,
        ) -> Result<Self, ProgramError> {
            Ok(Xdp(hachi::programs::Xdp::from_pin(path)?))
        }

        /// Attaches the loaded program to an interface: [`XdpMode`], or [`XdpFlags`] as until 0.13.
        ///
        /// # Errors
        /// [`ProgramError::UnknownInterface`], and what the kernel refuses.
        pub fn attach(
            &mut self,
            interface: &str,
            mode: impl Into<XdpFlags>,
        ) -> Result<XdpLinkId, ProgramError> {
            Ok(XdpLinkId(self.0.attach(interface, mode.into())?))
        }

        /// As [`attach`](Self::attach), by the interface's index.
        ///
        /// # Errors
        /// As [`attach`](Self::attach).
        pub fn attach_to_if_index(
            &mut self,
            if_index: u32,
            mode: impl Into<XdpFlags>,
        ) -> Result<XdpLinkId, ProgramError> {
            Ok(XdpLinkId(self.0.attach_to_if_index(if_index, mode.into())?))
        }

        /// Makes an existing attachment run this program.
        ///
        /// # Errors
        /// What the kernel refuses.
        pub fn attach_to_link(&mut self, link: XdpLink) -> Result<XdpLinkId, ProgramError> {
            Ok(XdpLinkId(self.0.attach_to_link(link.link)?))
        }
    }
}

/// Packets that interfaces receive and send.
pub mod tc {
    use super::*;

    program! {
        /// A program for packets that an interface receives or sends.
        SchedClassifier, ProgramType::SchedClassifier
    }
    attachments!(
        SchedClassifier,
        SchedClassifierLink,
        SchedClassifierLinkId,
        "SchedClassifier"
    );
    load!(SchedClassifier);
    from_pin!(SchedClassifier);
    test_run!(SchedClassifier);

    /// An error of classifiers.
    #[derive(Debug)]
    pub enum TcError {
        /// A request by netlink failed.
        NetlinkError(crate::sys::NetlinkError),
        /// The name cannot be passed to the kernel.
        NulError(std::ffi::NulError),
        /// The qdisc is there already.
        AlreadyAttached,
        /// TCX is for ingress and egress only.
        InvalidTcxAttach(u32),
        /// The attachment was not made by netlink.
        InvalidLinkOperation,
    }

    impl std::fmt::Display for TcError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            match self {
                TcError::NetlinkError(error) => write!(f, "{error}"),
                TcError::NulError(error) => write!(f, "{error}"),
                TcError::AlreadyAttached => f.write_str("the interface has a clsact qdisc already"),
                TcError::InvalidTcxAttach(parent) => {
                    write!(
                        f,
                        "TCX is for ingress and egress only, not for parent {parent:#x}"
                    )
                }
                TcError::InvalidLinkOperation => {
                    f.write_str("the attachment was not made by netlink")
                }
            }
        }
    }

    impl std::error::Error for TcError {}

    /// Which packets of an interface.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum TcAttachType {
        /// Received ones.
        Ingress,
        /// Sent ones.
        Egress,
        /// Those of this parent of a qdisc.
        Custom(u32),
    }

    impl From<TcAttachType> for hachi::programs::TcAttachType {
        fn from(kind: TcAttachType) -> Self {
            match kind {
                TcAttachType::Ingress => Self::Ingress,
                TcAttachType::Egress => Self::Egress,
                TcAttachType::Custom(parent) => Self::Custom(parent),
            }
        }
    }

    /// A handle of traffic control: `MAJOR:MINOR`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TcHandle(u32);

    impl TcHandle {
        /// Leaves the choice to the kernel.
        pub const AUTO_ASSIGN: Self = TcHandle(0);

        /// From its two halves.
        pub const fn new(major: u16, minor: u16) -> Self {
            TcHandle((major as u32) << 16 | minor as u32)
        }
    }

    impl From<u32> for TcHandle {
        fn from(handle: u32) -> Self {
            TcHandle(handle)
        }
    }

    impl From<TcHandle> for u32 {
        fn from(handle: TcHandle) -> Self {
            handle.0
        }
    }

    /// Where among the filters of a qdisc.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct NlOptions {
        /// Lower ones run first; 0 leaves the choice to the kernel.
        pub priority: u16,
        /// Distinguishes filters of one priority.
        pub handle: TcHandle,
        /// The class that packets are put into.
        pub classid: Option<TcHandle>,
    }

    /// How to attach.
    #[derive(Debug)]
    pub enum TcAttachOptions {
        /// As a filter of a qdisc.
        Netlink(NlOptions),
        /// In the interface's row of programs. Linux ≥ 6.6.
        TcxOrder(LinkOrder),
    }

    impl SchedClassifier {
        /// Attaches the loaded program to an interface: by TCX, or on Linux < 6.6 by netlink.
        ///
        /// # Errors
        /// [`ProgramError::UnknownInterface`], and what the kernel refuses.
        pub fn attach(
            &mut self,
            interface: &str,
            attach_type: TcAttachType,
        ) -> Result<SchedClassifierLinkId, ProgramError> {
            Ok(SchedClassifierLinkId(
                self.0.attach(interface, attach_type.into())?,
            ))
        }

        /// As [`attach`](Self::attach), in this way and at this place.
        ///
        /// # Errors
        /// [`ProgramError::TcError`] for TCX with another parent than ingress and egress, and for a
        /// `classid`, which Hachi does not set; else as [`attach`](Self::attach).
        pub fn attach_with_options(
            &mut self,
            interface: &str,
            attach_type: TcAttachType,
            options: TcAttachOptions,
        ) -> Result<SchedClassifierLinkId, ProgramError> {
            use hachi::programs::TcAttachOptions as Hachi;
            let options = match (options, attach_type) {
                (TcAttachOptions::TcxOrder(_), TcAttachType::Custom(parent)) => {
                    return Err(TcError::InvalidTcxAttach(parent).into());
                }
                (TcAttachOptions::TcxOrder(order), _) => Hachi::TcxOrder(order.0),
                (
                    TcAttachOptions::Netlink(NlOptions {
                        classid: Some(_), ..
                    }),
                    _,
                ) => {
                    return Err(TcError::InvalidLinkOperation.into());
                }
                (TcAttachOptions::Netlink(options), _) => Hachi::Netlink(
                    hachi::programs::NlOptions::new(options.priority, options.handle.0),
                ),
            };
            let link = self
                .0
                .attach_with_options(interface, attach_type.into(), options)?;
            Ok(SchedClassifierLinkId(link))
        }

        /// Makes an existing attachment run this program.
        ///
        /// # Errors
        /// What the kernel refuses.
        pub fn attach_to_link(
            &mut self,
            link: SchedClassifierLink,
        ) -> Result<SchedClassifierLinkId, ProgramError> {
            Ok(SchedClassifierLinkId(self.0.attach_to_link(link.link)?))
        }

        /// The row's revision and the programs in it. Linux ≥ 6.6.
        ///
        /// # Errors
        /// [`ProgramError::UnknownInterface`], and what the kernel refuses.
        pub fn query_tcx(
            interface: &str,
            attach_type: TcAttachType,
        ) -> Result<(u64, Vec<ProgramInfo>), ProgramError> {
            let (revision, programs) =
                hachi::programs::SchedClassifier::query_tcx(interface, attach_type.into())?;
            Ok((
                revision,
                programs.into_iter().map(ProgramInfo::new).collect(),
            ))
        }
    }

    impl MultiProgram for SchedClassifier {
        fn fd(&self) -> Result<BorrowedFd<'_>, ProgramError> {
            Ok(self.0.fd()?.as_fd())
        }

        fn program_id(&self) -> Result<u32, ProgramError> {
            Ok(self.0.info()?.id())
        }
    }

    impl MultiProgLink for SchedClassifierLink {
        fn fd(&self) -> Result<BorrowedFd<'_>, links::LinkError> {
            match &self.link {
                hachi::links::OwnedLink::Fd(link) => Ok(link.as_fd()),
                _ => Err(links::LinkError::InvalidLink),
            }
        }

        fn link_id(&self) -> Result<u32, links::LinkError> {
            match &self.link {
                hachi::links::OwnedLink::Fd(link) => {
                    Ok(link.info().map_err(crate::sys::SyscallError::from)?.id())
                }
                _ => Err(links::LinkError::InvalidLink),
            }
        }
    }

    impl SchedClassifierLink {
        fn filter(&self) -> Result<(u16, u32), ProgramError> {
            self.link
                .tc_filter()
                .ok_or(ProgramError::TcError(TcError::InvalidLinkOperation))
        }

        /// The priority, of one made by netlink.
        ///
        /// # Errors
        /// [`TcError::InvalidLinkOperation`] for another.
        pub fn priority(&self) -> Result<u16, ProgramError> {
            Ok(self.filter()?.0)
        }

        /// The handle, of one made by netlink.
        ///
        /// # Errors
        /// [`TcError::InvalidLinkOperation`] for another.
        pub fn handle(&self) -> Result<TcHandle, ProgramError> {
            Ok(TcHandle(self.filter()?.1))
        }
    }

    /// Gives an interface a `clsact` qdisc.
    ///
    /// # Errors
    /// [`TcError::AlreadyAttached`] when it has one, and what the kernel refuses.
    pub fn qdisc_add_clsact(if_name: &str) -> Result<(), TcError> {
        hachi::programs::qdisc_add_clsact(if_name).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => TcError::AlreadyAttached,
            _ => TcError::NetlinkError(crate::sys::NetlinkError(error)),
        })
    }
}

/// Functions of programs and libraries.
pub mod uprobe {
    use super::*;

    program! {
        /// A program at a function of a program or library, entered or returning.
        UProbe, ProgramType::KProbe
    }
    attachments!(UProbe, UProbeLink, UProbeLinkId, "UProbe");
    load!(UProbe);
    from_pin!(UProbe, ProbeKind);

    /// An error of uprobes.
    #[derive(Debug)]
    pub enum UProbeError {
        /// The dynamic linker's cache cannot be understood.
        InvalidLdSoCache {
            /// Why.
            io_error: std::io::Error,
        },
        /// There is no such program or library.
        InvalidTarget {
            /// Its path or name.
            path: PathBuf,
        },
        /// There is no such symbol.
        SymbolError {
            /// Its name.
            symbol: String,
            /// What there is.
            error: Box<dyn std::error::Error + Send + Sync>,
        },
        /// A file cannot be read.
        FileError {
            /// The file.
            filename: PathBuf,
            /// Why.
            io_error: std::io::Error,
        },
    }

    impl std::fmt::Display for UProbeError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            match self {
                UProbeError::InvalidLdSoCache { io_error } => {
                    write!(f, "cannot read the dynamic linker's cache: {io_error}")
                }
                UProbeError::InvalidTarget { path } => {
                    write!(f, "there is no program or library `{}`", path.display())
                }
                UProbeError::SymbolError { error, .. } => write!(f, "{error}"),
                UProbeError::FileError { filename, io_error } => {
                    write!(f, "`{}`: {io_error}", filename.display())
                }
            }
        }
    }

    impl std::error::Error for UProbeError {}

    /// A place in a program or library.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum UProbeAttachLocation<'a> {
        /// A function.
        Symbol(&'a str),
        /// An offset into a function, in bytes.
        SymbolOffset(&'a str, u64),
        /// An offset into the file, in bytes.
        AbsoluteOffset(u64),
    }

    impl<'a> From<&'a str> for UProbeAttachLocation<'a> {
        fn from(symbol: &'a str) -> Self {
            UProbeAttachLocation::Symbol(symbol)
        }
    }

    impl From<u64> for UProbeAttachLocation<'static> {
        fn from(offset: u64) -> Self {
            UProbeAttachLocation::AbsoluteOffset(offset)
        }
    }

    /// A place, and what the program gets to know it by.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct UProbeAttachPoint<'a> {
        /// The place.
        pub location: UProbeAttachLocation<'a>,
        /// For `bpf_get_attach_cookie`. Linux ≥ 5.15.
        pub cookie: Option<u64>,
    }

    impl<'a, L: Into<UProbeAttachLocation<'a>>> From<L> for UProbeAttachPoint<'a> {
        fn from(location: L) -> Self {
            UProbeAttachPoint {
                location: location.into(),
                cookie: None,
            }
        }
    }

    /// Which processes run the program.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum UProbeScope {
        /// All, now and later.
        AllProcesses,
        /// The calling one.
        CallingProcess,
        /// One.
        OneProcess(std::num::NonZeroU32),
    }

    impl UProbe {
        /// Entry or return.
        pub fn kind(&self) -> ProbeKind {
            self.0.kind()
        }

        /// Attaches the loaded program to a place in a program or library, which is a path or a
        /// name such as `libc`.
        ///
        /// # Errors
        /// [`ProgramError::UProbeError`] when there is no such place, and what the kernel refuses.
        pub fn attach<'a, T: AsRef<Path>, Point: Into<UProbeAttachPoint<'a>>>(
            &mut self,
            point: Point,
            target: T,
            scope: UProbeScope,
        ) -> Result<UProbeLinkId, ProgramError> {
            use hachi::programs::UProbeAttachLocation as Hachi;
            let UProbeAttachPoint { location, cookie } = point.into();
            let location = match location {
                UProbeAttachLocation::Symbol(symbol) => Hachi::Symbol(symbol),
                UProbeAttachLocation::SymbolOffset(symbol, offset) => {
                    Hachi::SymbolOffset(symbol, offset)
                }
                UProbeAttachLocation::AbsoluteOffset(offset) => Hachi::AbsoluteOffset(offset),
            };
            let pid = match scope {
                UProbeScope::AllProcesses => None,
                UProbeScope::CallingProcess => Some(0),
                // No process has a number beyond: the kernel says that there is none.
                UProbeScope::OneProcess(pid) => Some(i32::try_from(pid.get()).unwrap_or(i32::MAX)),
            };
            Ok(UProbeLinkId(self.0.attach(location, target, pid, cookie)?))
        }
    }
}
