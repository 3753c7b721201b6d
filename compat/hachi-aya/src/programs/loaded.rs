//! Programs that somebody has loaded, by their descriptions.

use std::borrow::Cow;

use super::{
    cgroup_sockopt::CgroupSockoptAttachType, sk_reuseport::SkReuseportAttachType,
    socket_filter::ReusePortSocketFilter, xdp::XdpAttachType, *,
};

/// The program described, of the type that those in `section` have.
fn program(
    info: &ProgramInfo,
    name: &str,
    section: &str,
) -> Result<hachi::programs::Program, ProgramError> {
    Ok(hachi::programs::Program::from_fd(
        info.fd()?,
        name,
        section,
    )?)
}

/// `from_program_info`, by type and section. Of an `unsafe` one the kernel knows less than the
/// type says.
macro_rules! from_program_info {
    (@ [$($safety:tt)?] [$($doc:literal)*] $type:ident $section:expr
        $(, $kind:ident: $kind_type:ty)?) => {
        impl $type {
            /// The loaded program that `info` describes, which can be attached. It is called
            /// `name` here.
            ///
            /// # Errors
            /// [`ProgramError::UnexpectedProgramType`] for a program of another type, and what the
            /// kernel refuses.
            $(#[doc = $doc])*
            pub $($safety)? fn from_program_info(
                info: ProgramInfo,
                name: Cow<'static, str>,
                $($kind: $kind_type,)?
            ) -> Result<Self, ProgramError> {
                match program(&info, &name, $section)? {
                    hachi::programs::Program::$type(program) => {
                        Ok($type(program, Pins::default()))
                    }
                    _ => Err(ProgramError::UnexpectedProgramType),
                }
            }
        }
    };
    () => {};
    (unsafe $type:ident $section:expr $(, $kind:ident: $kind_type:ty)?; $($rest:tt)*) => {
        from_program_info!(@ [unsafe] [
            ""
            "# Safety"
            "The program must be of this kind: the kernel has several under one type."
        ] $type $section $(, $kind: $kind_type)?);
        from_program_info!($($rest)*);
    };
    ($type:ident $section:expr $(, $kind:ident: $kind_type:ty)?; $($rest:tt)*) => {
        from_program_info!(@ [] [] $type $section $(, $kind: $kind_type)?);
        from_program_info!($($rest)*);
    };
}

from_program_info! {
    unsafe KProbe match kind {
        ProbeKind::Return => "kretprobe",
        _ => "kprobe",
    }, kind: ProbeKind;
    unsafe UProbe match kind {
        ProbeKind::Return => "uretprobe",
        _ => "uprobe",
    }, kind: ProbeKind;
    TracePoint "tracepoint";
    SocketFilter "socket";
    Xdp attach_type.section(), attach_type: XdpAttachType;
    SkMsg "sk_msg";
    SkSkb match kind {
        SkSkbKind::StreamParser => "sk_skb/stream_parser",
        SkSkbKind::StreamVerdict => "sk_skb/stream_verdict",
        _ => "sk_skb/verdict",
    }, kind: SkSkbKind;
    SockOps "sockops";
    SchedClassifier "classifier";
    CgroupSkb match attach_type {
        Some(CgroupSkbAttachType::Egress) => "cgroup_skb/egress",
        Some(_) => "cgroup_skb/ingress",
        None => "cgroup/skb",
    }, attach_type: Option<CgroupSkbAttachType>;
    CgroupSysctl "cgroup/sysctl";
    CgroupSockopt match attach_type {
        CgroupSockoptAttachType::Get => "cgroup/getsockopt",
        _ => "cgroup/setsockopt",
    }, attach_type: CgroupSockoptAttachType;
    LircMode2 "lirc_mode2";
    PerfEvent "perf_event";
    Lsm "lsm";
    RawTracePoint "raw_tp";
    unsafe BtfTracePoint "tp_btf";
    unsafe FEntry "fentry";
    unsafe FExit "fexit";
    Extension "freplace";
    SkLookup "sk_lookup";
    SkReuseport attach_type.section(), attach_type: SkReuseportAttachType;
    CgroupDevice "cgroup/dev";
    Iter "iter";
}

impl ReusePortSocketFilter {
    /// The loaded program that `info` describes, which can be attached. It is called `name` here.
    ///
    /// # Errors
    /// As [`SocketFilter::from_program_info`].
    pub fn from_program_info(
        info: ProgramInfo,
        name: Cow<'static, str>,
    ) -> Result<Self, ProgramError> {
        SocketFilter::from_program_info(info, name).map(ReusePortSocketFilter)
    }
}

impl Extension {
    /// Opens the program pinned at `path`. It is loaded already.
    ///
    /// # Errors
    /// When nothing is pinned there, or a program of another type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        let info = ProgramInfo::from_pin(&path)?;
        let name = info.name_as_str().unwrap_or_default().to_owned();
        let mut program = Self::from_program_info(info, name.into())?;
        program.1 = Pins::at(path.as_ref());
        Ok(program)
    }
}
