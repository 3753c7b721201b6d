//! Programs: what runs in the kernel.
//!
//! An [`Ebpf`](crate::Ebpf) holds its programs as [`Program`] values. What can be done with one
//! depends on its type, so it is turned into that type first:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use hachi::{Ebpf, programs::{Xdp, XdpFlags}};
//!
//! let mut ebpf = Ebpf::load_file("firewall.o")?;
//! let program: &mut Xdp = ebpf.program_mut("firewall")?.try_into()?;
//! program.load()?;
//! program.attach("eth0", XdpFlags::default())?;
//! # Ok(()) }
//! ```
//!
//! See [`links`] for how long an attachment lasts.

mod attach;
mod cgroup;
mod cgroup_device;
mod cgroup_skb;
mod cgroup_sock;
mod cgroup_sock_addr;
mod cgroup_sockopt;
mod cgroup_sysctl;
mod code;
mod data;
mod extension;
mod fentry;
mod fexit;
mod find;
mod flow_dissector;
mod fmod_ret;
mod fsession;
mod info;
mod iter;
mod kprobe;
mod kprobe_multi;
mod lirc_mode2;
mod lsm;
mod lsm_cgroup;
mod lwt;
mod multi;
mod netfilter;
mod netkit;
mod netns;
mod other;
mod perf_event;
mod raw_tracepoint;
mod sched_classifier;
mod sk_lookup;
mod sk_msg;
mod sk_reuseport;
mod sk_skb;
mod sock_ops;
mod socket_filter;
mod struct_ops;
mod syscall;
mod test_run;
mod tp_btf;
mod tracepoint;
mod tracing;
mod tracing_multi;
#[cfg(feature = "uprobe")]
mod uprobe;
#[cfg(feature = "uprobe")]
mod uprobe_multi;
#[cfg(feature = "uprobe")]
mod usdt;
mod xdp;

pub use attach::{AttachOptions, Attached, AttachedAll};
pub use cgroup_device::CgroupDevice;
pub use cgroup_skb::{CgroupSkb, CgroupSkbAttachType};
pub use cgroup_sock::{CgroupSock, CgroupSockAttachType};
pub use cgroup_sock_addr::{CgroupSockAddr, CgroupSockAddrAttachType};
pub use cgroup_sockopt::{CgroupSockopt, CgroupSockoptAttachType};
pub use cgroup_sysctl::CgroupSysctl;
pub use code::{LoadedFunction, LoadedLine, ProgramCode, RunStats};
pub(crate) use data::{ProgramData, program_methods};
pub use extension::Extension;
pub use fentry::FEntry;
pub use fexit::FExit;
pub use flow_dissector::FlowDissector;
pub use fmod_ret::FModRet;
pub use fsession::FSession;
pub use hachi_obj::{AttachType, ProgramType};
pub use info::{ProgramInfo, ProgramStream, loaded_programs};
pub use iter::{CgroupIterOrder, Iter, IterOver};
pub use kprobe::KProbe;
pub use kprobe_multi::KProbeMulti;
pub use lirc_mode2::LircMode2;
pub use lsm::Lsm;
pub use lsm_cgroup::LsmCgroup;
pub use lwt::{LwtIn, LwtOut, LwtSeg6Local, LwtXmit};
pub use multi::MultiProgram;
pub(crate) use multi::multi_program;
pub use netfilter::Netfilter;
pub use netkit::{Netkit, NetkitAttachType};
pub use other::OtherProgram;
pub use perf_event::{
    BreakpointConfig, HardwareEvent, HwCacheEvent, HwCacheOp, HwCacheResult, Inherit,
    PerfBreakpointLength, PerfBreakpointType, PerfEvent, PerfEventConfig, PerfEventScope,
    SamplePolicy, SoftwareEvent,
};
pub use raw_tracepoint::RawTracePoint;
pub use sched_classifier::{
    SchedClassifier, TcAttachOptions, qdisc_add_clsact, qdisc_detach_program,
};
pub use sk_lookup::SkLookup;
pub use sk_msg::SkMsg;
pub use sk_reuseport::SkReuseport;
pub use sk_skb::{SkSkb, SkSkbKind};
pub use sock_ops::SockOps;
pub use socket_filter::SocketFilter;
pub use struct_ops::StructOpsProgram;
pub use syscall::Syscall;
pub use test_run::{TestRun, TestRunOptions};
pub use tp_btf::BtfTracePoint;
pub use tracepoint::TracePoint;
pub use tracing_multi::TracingMulti;
#[cfg(feature = "uprobe")]
pub use uprobe::{UProbe, UProbeAttachLocation};
#[cfg(feature = "uprobe")]
pub use uprobe_multi::UProbeMulti;
#[cfg(feature = "uprobe")]
pub use usdt::Usdt;
pub use xdp::{Xdp, XdpMd};

// What attaching takes, and where it fails.
use crate::links::{LinkId, OwnedLink};
pub use crate::{
    fd::ProgramFd,
    kernel_btf::WithoutModuleTypes,
    kernel_config::NoKernelConfig,
    links::{
        self, LinkOrder,
        cgroup::CgroupAttachMode,
        kprobe::ProbeKind,
        netfilter::{NetfilterFamily, NetfilterHook, NetfilterPoint},
        tc::{NlOptions, TcAttachType},
        xdp_mode::XdpFlags,
    },
    load::{
        ExternProblem, OptionProblem, ProgramError, Rejection, StructOpsProblem, SymbolKind,
        TargetProblem, Unloadable,
    },
};

macro_rules! programs {
    ($($(#[$family:meta])? $pattern:pat => $type:ident $name:literal,)*) => {
        /// A program of an object, by type. Turn it into the type with `TryFrom`, on a shared or an
        /// exclusive reference: `let xdp: &mut Xdp = program.try_into()?`.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum Program {
            $(
                $(#[$family])?
                #[doc = concat!("See [`", stringify!($type), "`].")]
                $type($type),
            )*
            /// Of a type this version can load but not attach.
            Other(OtherProgram),
        }

        impl Program {
            /// The variant for the program's type.
            pub(crate) fn from_spec(
                object: std::sync::Arc<crate::load::Object>,
                spec: hachi_obj::ProgramSpec,
            ) -> Self {
                Self::from_data(ProgramData::new(object, spec))
            }

            fn from_data(data: ProgramData) -> Self {
                match (data.kind(), data.attach_type(), data.section_kind()) {
                    $(
                        $(#[$family])?
                        $pattern => Program::$type($type { data }),
                    )*
                    _ => Program::Other(OtherProgram { data }),
                }
            }

            fn data(&self) -> &ProgramData {
                match self {
                    $(
                        $(#[$family])?
                        Program::$type(program) => &program.data,
                    )*
                    Program::Other(program) => &program.data,
                }
            }

            fn data_mut(&mut self) -> &mut ProgramData {
                match self {
                    $(
                        $(#[$family])?
                        Program::$type(program) => &mut program.data,
                    )*
                    Program::Other(program) => &mut program.data,
                }
            }

            /// Attaches the loaded program to what its section names (`kprobe/do_unlinkat`), and
            /// where a section cannot say it, to what `options` say (the interface for XDP).
            ///
            /// # Errors
            /// [`LinkError::NoTarget`](links::LinkError::NoTarget) in [`ProgramError::Attach`] if
            /// neither says enough, or programs of this type are not attached; and what the
            /// `attach` of the type returns.
            pub fn attach_by_section(
                &mut self,
                options: &AttachOptions,
            ) -> Result<Vec<Attached>, ProgramError> {
                match self {
                    $(
                        $(#[$family])?
                        Program::$type(program) => program.attach_by_section(options),
                    )*
                    Program::Other(program) => program.attach_by_section(options),
                }
            }
        }

        $(
            $(#[$family])?
            impl<'a> TryFrom<&'a Program> for &'a $type {
                type Error = ProgramError;
                fn try_from(program: &'a Program) -> Result<Self, ProgramError> {
                    match program {
                        Program::$type(program) => Ok(program),
                        other => Err(other.unexpected_type($name)),
                    }
                }
            }

            $(#[$family])?
            impl<'a> TryFrom<&'a mut Program> for &'a mut $type {
                type Error = ProgramError;
                fn try_from(program: &'a mut Program) -> Result<Self, ProgramError> {
                    match program {
                        Program::$type(program) => Ok(program),
                        other => Err(other.unexpected_type($name)),
                    }
                }
            }
        )*
    };
}

// One row for each type that can be attached: which programs are of it (by kernel type, expected
// attach type and kind of section; the first row that fits counts), the Rust type, and its name in
// messages. Those of a family that is a feature of the crate are `Other` without it.
programs! {
    (ProgramType::Xdp, _, _) => Xdp "xdp",
    (ProgramType::Tracepoint, _, _) => TracePoint "tracepoint",
    (ProgramType::RawTracepoint | ProgramType::RawTracepointWritable, _, _) =>
        RawTracePoint "raw_tracepoint",
    (ProgramType::Tracing, Some(AttachType::TraceRawTp), _) => BtfTracePoint "tp_btf",
    (ProgramType::Tracing, Some(AttachType::TraceFentry), _) => FEntry "fentry",
    (ProgramType::Tracing, Some(AttachType::TraceFexit), _) => FExit "fexit",
    (ProgramType::Tracing, Some(AttachType::ModifyReturn), _) => FModRet "fmod_ret",
    (ProgramType::Tracing, Some(AttachType::TraceFsession), _) => FSession "fsession",
    (ProgramType::Tracing,
        Some(
            AttachType::TraceFentryMulti
            | AttachType::TraceFexitMulti
            | AttachType::TraceFsessionMulti
        ), _) =>
        TracingMulti "fentry.multi",
    (ProgramType::Tracing, Some(AttachType::TraceIter), _) => Iter "iter",
    (ProgramType::Ext, _, _) => Extension "freplace",
    (ProgramType::Lsm, Some(AttachType::LsmMac), _) => Lsm "lsm",
    (ProgramType::Lsm, Some(AttachType::LsmCgroup), _) => LsmCgroup "lsm_cgroup",
    (ProgramType::Kprobe, None, "" | "kprobe" | "kretprobe" | "ksyscall" | "kretsyscall") =>
        KProbe "kprobe",
    #[cfg(feature = "uprobe")]
    (ProgramType::Kprobe, None, "uprobe" | "uretprobe" | "uprobe.s" | "uretprobe.s") =>
        UProbe "uprobe",
    #[cfg(feature = "uprobe")]
    (ProgramType::Kprobe, None, "usdt" | "usdt.s") => Usdt "usdt",
    (ProgramType::Kprobe, Some(AttachType::TraceKprobeMulti | AttachType::TraceKprobeSession), _) =>
        KProbeMulti "kprobe.multi",
    #[cfg(feature = "uprobe")]
    (ProgramType::Kprobe, Some(AttachType::TraceUprobeMulti | AttachType::TraceUprobeSession), _) =>
        UProbeMulti "uprobe.multi",
    (ProgramType::PerfEvent, _, _) => PerfEvent "perf_event",
    (ProgramType::Syscall, _, _) => Syscall "syscall",
    (ProgramType::SchedCls, Some(AttachType::NetkitPrimary | AttachType::NetkitPeer), _) =>
        Netkit "netkit",
    (ProgramType::SchedCls, _, _) => SchedClassifier "classifier",
    (ProgramType::CgroupSkb, _, _) => CgroupSkb "cgroup_skb",
    (ProgramType::CgroupSock, _, _) => CgroupSock "cgroup_sock",
    (ProgramType::CgroupSockAddr, _, _) => CgroupSockAddr "cgroup_sock_addr",
    (ProgramType::CgroupSockopt, _, _) => CgroupSockopt "cgroup_sockopt",
    (ProgramType::CgroupSysctl, _, _) => CgroupSysctl "cgroup_sysctl",
    (ProgramType::CgroupDevice, _, _) => CgroupDevice "cgroup_device",
    (ProgramType::SockOps, _, _) => SockOps "sock_ops",
    (ProgramType::SkLookup, _, _) => SkLookup "sk_lookup",
    (ProgramType::SkMsg, _, _) => SkMsg "sk_msg",
    (ProgramType::SkSkb, _, _) => SkSkb "sk_skb",
    (ProgramType::SkReuseport, _, _) => SkReuseport "sk_reuseport",
    (ProgramType::SocketFilter, _, _) => SocketFilter "socket_filter",
    (ProgramType::FlowDissector, _, _) => FlowDissector "flow_dissector",
    (ProgramType::Netfilter, _, _) => Netfilter "netfilter",
    (ProgramType::StructOps, _, _) => StructOpsProgram "struct_ops",
    (ProgramType::LwtIn, _, _) => LwtIn "lwt_in",
    (ProgramType::LwtOut, _, _) => LwtOut "lwt_out",
    (ProgramType::LwtXmit, _, _) => LwtXmit "lwt_xmit",
    (ProgramType::LwtSeg6local, _, _) => LwtSeg6Local "lwt_seg6local",
    (ProgramType::LircMode2, _, _) => LircMode2 "lirc_mode2",
}

impl Program {
    /// A program that is loaded already, as [`ProgramInfo::fd`] gives it, under the name `name`. It
    /// can be attached, and is of the type that a program in section `section` would have, which
    /// says more than the kernel does: `kretprobe`, `uprobe`, `cgroup_skb/egress`.
    ///
    /// # Errors
    /// [`ProgramError::UnexpectedProgramType`] if the kernel has it under another type, or there is
    /// no such section; [`ProgramError::SyscallError`] if it does not describe the program
    /// (`BPF_OBJ_GET_INFO_BY_FD`).
    pub fn from_fd(fd: ProgramFd, name: &str, section: &str) -> Result<Self, ProgramError> {
        ProgramData::from_fd(fd, name, section).map(Self::from_data)
    }

    fn unexpected_type(&self, expected: &'static str) -> ProgramError {
        ProgramError::unexpected_type(self.name(), self.prog_type(), self.section(), expected)
    }

    /// Loads the program into the kernel, which verifies it. What it is for (a kernel function, a
    /// hook) is taken from its section, where its type needs to know that to be loaded.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses, or the function, hook or type that it is for;
    /// [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data_mut().load()
    }

    /// Takes the program that was loaded from the same object before and is pinned at `path`, in
    /// place of loading it again: it can be attached by its section then, as the loaded one could.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type; [`ProgramError::AlreadyLoaded`] if this one is loaded.
    pub fn load_pinned<P: AsRef<std::path::Path>>(&mut self, path: P) -> Result<(), ProgramError> {
        self.data_mut().load_pinned(path.as_ref())
    }

    /// Detaches the program everywhere and unloads it (unless it is pinned).
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Link`] if an attachment cannot be undone. It is
    /// unloaded then all the same.
    pub fn unload(&mut self) -> Result<(), ProgramError> {
        self.data_mut().unload()
    }

    /// The descriptor.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`] before `load`.
    pub fn fd(&self) -> Result<&ProgramFd, ProgramError> {
        self.data().fd()
    }

    /// What the kernel says about the loaded program.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::SyscallError`] if `BPF_OBJ_GET_INFO_BY_FD`
    /// fails, as it does on Linux < 4.13.
    pub fn info(&self) -> Result<ProgramInfo, ProgramError> {
        self.data().info()
    }

    /// Pins the loaded program, so that it outlives the process.
    ///
    /// # Errors
    /// [`PinError::NotBpffs`](crate::pin::PinError::NotBpffs) if `path` is on another file system,
    /// [`PinError::Taken`](crate::pin::PinError::Taken) if something is there,
    /// [`PinError::Unsuitable`](crate::pin::PinError::Unsuitable) if the program is not loaded, and
    /// what `mkdir` and `BPF_OBJ_PIN` refuse (EPERM, EACCES).
    pub fn pin<P: AsRef<std::path::Path>>(&self, path: P) -> Result<(), crate::pin::PinError> {
        self.data().pin(path.as_ref())
    }

    /// The name: that of the function.
    pub fn name(&self) -> &str {
        self.data().name()
    }

    /// The ELF section it comes from: `xdp`; empty for a program opened from a pin.
    pub fn section(&self) -> &str {
        self.data().section()
    }

    /// The type.
    pub fn prog_type(&self) -> ProgramType {
        self.data().kind()
    }

    /// What the object file says about it; `None` for a program opened from a pin.
    pub fn spec(&self) -> Option<&hachi_obj::ProgramSpec> {
        self.data().spec()
    }

    /// What the program asks for that the kernel does not have: fields, types and functions that it
    /// can do without. Known once it is loaded. (Of a program that was refused:
    /// [`Rejection::missing`].)
    pub fn missing(&self) -> &[hachi_obj::link::Poisoned] {
        self.data().missing()
    }

    /// What the verifier wrote when the program was loaded, if that was asked for
    /// ([`EbpfLoader::verifier_log_level`](crate::EbpfLoader::verifier_log_level)).
    pub fn verifier_log(&self) -> &str {
        self.data().log()
    }

    /// Runs the loaded program once on given data, if the kernel can for its type.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::SyscallError`] of `BPF_PROG_TEST_RUN`: EINVAL
    /// or E2BIG for data that this type of program does not take, ENOTSUPP or EINVAL for types that
    /// cannot be run, EPERM without the rights.
    pub fn test_run(&self, options: &TestRunOptions<'_>) -> Result<TestRun, ProgramError> {
        self.data().run(options)
    }

    /// Ends one attachment.
    ///
    /// # Errors
    /// [`ProgramError::Link`]: [`LinkError::NotAttached`](crate::links::LinkError::NotAttached) if
    /// the program has no such attachment, or what undoing it failed with.
    pub fn detach(&mut self, id: LinkId) -> Result<(), ProgramError> {
        self.data_mut().detach(id)
    }

    /// Hands over one attachment; see [`links`].
    ///
    /// # Errors
    /// [`ProgramError::Link`] with [`LinkError::NotAttached`](crate::links::LinkError::NotAttached)
    /// if the program has no such attachment: it was detached or taken before.
    pub fn take_link(&mut self, id: LinkId) -> Result<OwnedLink, ProgramError> {
        self.data_mut().take_link(id)
    }

    /// The attachments this program owns.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, &OwnedLink)> {
        self.data().links().map(|(id, link)| (*id, link))
    }
}
