//! Programs of whatever type.

use hachi_aya_obj::generated::bpf_prog_type;

use super::{ProgramError, ProgramFd, ProgramInfo};
use crate::{pin::PinError, programs::*};

/// Which hooks of the kernel's security modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LsmAttachType {
    /// All of the system.
    Mac,
    /// Those of a cgroup.
    Cgroup,
}

macro_rules! program_types {
    ($($name:ident = $number:literal,)*) => {
        /// The type of a program (`enum bpf_prog_type`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProgramType {
            $(
                #[doc = concat!("Number ", stringify!($number), " of the kernel.")]
                $name,
            )*
            /// Number 29 of the kernel.
            Lsm(LsmAttachType),
        }

        impl ProgramType {
            fn number(self) -> u32 {
                match self {
                    $(ProgramType::$name => $number,)*
                    ProgramType::Lsm(_) => 29,
                }
            }

            fn from_number(number: u32) -> Self {
                match number {
                    $($number => ProgramType::$name,)*
                    29 => ProgramType::Lsm(LsmAttachType::Mac),
                    _ => ProgramType::Unspecified,
                }
            }
        }
    };
}

program_types! {
    Unspecified = 0,
    SocketFilter = 1,
    KProbe = 2,
    SchedClassifier = 3,
    SchedAction = 4,
    TracePoint = 5,
    Xdp = 6,
    PerfEvent = 7,
    CgroupSkb = 8,
    CgroupSock = 9,
    LwtInput = 10,
    LwtOutput = 11,
    LwtXmit = 12,
    SockOps = 13,
    SkSkb = 14,
    CgroupDevice = 15,
    SkMsg = 16,
    RawTracePoint = 17,
    CgroupSockAddr = 18,
    LwtSeg6local = 19,
    LircMode2 = 20,
    SkReuseport = 21,
    FlowDissector = 22,
    CgroupSysctl = 23,
    RawTracePointWritable = 24,
    CgroupSockopt = 25,
    Tracing = 26,
    StructOps = 27,
    Extension = 28,
    SkLookup = 30,
    Syscall = 31,
    Netfilter = 32,
}

impl ProgramType {
    /// Hachi's name of it; `None` for number 0.
    pub(crate) fn to_hachi(self) -> Option<hachi::programs::ProgramType> {
        match self {
            ProgramType::Unspecified => None,
            other => hachi::programs::ProgramType::from_number(other.number()),
        }
    }
}

impl From<ProgramType> for bpf_prog_type {
    fn from(kind: ProgramType) -> Self {
        bpf_prog_type::try_from(kind.number()).unwrap_or(bpf_prog_type::BPF_PROG_TYPE_UNSPEC)
    }
}

macro_rules! programs {
    ($($type:ident)*) => {
        /// A program of an object, by type. Turn it into the type with `TryFrom`.
        #[derive(Debug)]
        pub enum Program {
            $(
                #[doc = concat!("See [`", stringify!($type), "`].")]
                $type($type),
            )*
            /// See [`ReusePortSocketFilter`]: an object says [`SocketFilter`](Self::SocketFilter).
            ReusePortSocketFilter(ReusePortSocketFilter),
            /// Of a type that Aya has no name for.
            #[doc(hidden)]
            Other(hachi::programs::Program),
        }

        impl Program {
            pub(crate) fn from_hachi(program: hachi::programs::Program) -> Self {
                match program {
                    $(hachi::programs::Program::$type(program) => {
                        Program::$type($type(program, Default::default()))
                    })*
                    other => Program::Other(other),
                }
            }

            /// The type, as the kernel has it.
            pub fn prog_type(&self) -> ProgramType {
                let kind = match self {
                    $(Program::$type(program) => program.0.prog_type(),)*
                    Program::ReusePortSocketFilter(program) => program.0.0.prog_type(),
                    Program::Other(program) => program.prog_type(),
                };
                match self {
                    Program::LsmCgroup(_) => ProgramType::Lsm(LsmAttachType::Cgroup),
                    _ => ProgramType::from_number(kind as u32),
                }
            }

            #[cfg(not(feature = "v0_13"))]
            pub(crate) fn section(&self) -> &str {
                match self {
                    $(Program::$type(program) => program.0.section(),)*
                    Program::ReusePortSocketFilter(program) => program.0.0.section(),
                    Program::Other(program) => program.section(),
                }
            }

            /// Unloads the program.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`].
            pub fn unload(self) -> Result<(), ProgramError> {
                match self {
                    $(Program::$type(mut program) => program.unload(),)*
                    Program::ReusePortSocketFilter(mut program) => program.unload(),
                    Program::Other(mut program) => Ok(program.unload()?),
                }
            }

            /// The descriptor.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`].
            pub fn fd(&self) -> Result<&ProgramFd, ProgramError> {
                match self {
                    $(Program::$type(program) => Ok(program.0.fd()?),)*
                    Program::ReusePortSocketFilter(program) => program.fd(),
                    Program::Other(program) => Ok(program.fd()?),
                }
            }

            /// What the kernel says about the loaded program.
            ///
            /// # Errors
            /// [`ProgramError::NotLoaded`].
            pub fn info(&self) -> Result<ProgramInfo, ProgramError> {
                Ok(ProgramInfo::new(match self {
                    $(Program::$type(program) => program.0.info()?,)*
                    Program::ReusePortSocketFilter(program) => program.0.0.info()?,
                    Program::Other(program) => program.info()?,
                }))
            }

            /// Pins the loaded program, so that it outlives the process.
            ///
            /// # Errors
            /// [`PinError::NoFd`] when it is not loaded, and what the system refuses.
            pub fn pin<P: AsRef<std::path::Path>>(&mut self, path: P) -> Result<(), PinError> {
                Ok(match self {
                    $(Program::$type(program) => program.0.pin(path)?,)*
                    Program::ReusePortSocketFilter(program) => program.pin(path)?,
                    Program::Other(program) => program.pin(path)?,
                })
            }
        }
    };
}

programs! {
    BtfTracePoint CgroupDevice CgroupSkb CgroupSock CgroupSockAddr CgroupSockopt CgroupSysctl
    Extension FEntry FExit FlowDissector Iter KProbe LircMode2 Lsm LsmCgroup PerfEvent
    RawTracePoint SchedClassifier SkLookup SkMsg SkReuseport SkSkb SockOps SocketFilter TracePoint
    UProbe Xdp
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        for number in 1..=32 {
            let kind = ProgramType::from_number(number);
            assert_eq!(kind.number(), number, "{kind:?}");
            assert_eq!(bpf_prog_type::from(kind) as u32, number);
            assert_eq!(kind.to_hachi().map(|kind| kind as u32), Some(number));
        }
    }
}
