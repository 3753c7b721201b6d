//! Looking for what sections name, without attaching.

use hachi_btf::Kind;

use super::{
    AttachOptions, KProbe, KProbeMulti, Program, ProgramData, ProgramError, RawTracePoint,
    TracePoint,
};
use crate::{
    kallsyms,
    links::{LinkError, NoTarget, kprobe::absent},
    pattern,
    target::{Hint, NoSuchTarget, TargetKind},
    tracefs,
};

impl Program {
    /// Looks for what the program's section names, as
    /// [`attach_by_section`](Self::attach_by_section) will, and attaches nothing: a tracepoint, a
    /// function of the kernel, of a program or of a library, a USDT probe. The program need not be
    /// loaded.
    ///
    /// There is nothing to look for, and no error, if the section names nothing, if the kernel
    /// itself looks for it when it loads the program (`fentry`, `tp_btf`, `lsm`), or if it can only
    /// be found by attaching.
    ///
    /// # Errors
    /// [`ProgramError::Attach`] with the error that attaching would have.
    pub fn find_target(&self, options: &AttachOptions) -> Result<(), ProgramError> {
        let found = match self {
            Program::TracePoint(program) => program.find_target(),
            Program::RawTracePoint(program) => program.find_target(),
            Program::KProbe(program) => program.find_target(),
            Program::KProbeMulti(program) => program.find_target(),
            #[cfg(feature = "uprobe")]
            Program::UProbe(program) => program.find_target(options),
            #[cfg(feature = "uprobe")]
            Program::UProbeMulti(program) => program.find_target(options),
            #[cfg(feature = "uprobe")]
            Program::Usdt(program) => program.find_target(options),
            _ => Ok(()),
        };
        let _ = options;
        match found {
            Err(ProgramError::Attach {
                error: LinkError::NoTarget(NoTarget::Section { .. }),
                ..
            }) => Ok(()),
            found => found,
        }
    }
}

impl ProgramData {
    /// The error of attaching, if there is one.
    pub(crate) fn found<T>(&self, found: Result<T, LinkError>) -> Result<(), ProgramError> {
        found.map(drop).map_err(|error| self.attach_error(error))
    }
}

impl TracePoint {
    fn find_target(&self) -> Result<(), ProgramError> {
        let (category, name) = self.section_target()?;
        let found = tracefs::tracepoint_id(category, name);
        self.data.found(found.map_err(LinkError::from))
    }
}

impl RawTracePoint {
    fn find_target(&self) -> Result<(), ProgramError> {
        let name = self.data.target("NAME")?;
        // Without types, only attaching tells.
        let types = self.data.object()?.kernel_btf();
        let found = match types.find(&format!("btf_trace_{name}"), Kind::Typedef) {
            Ok(None) => {
                let similar = Hint::Similar(tracefs::events_like(name));
                Err(NoSuchTarget::new(TargetKind::RawTracepoint, name).hint(similar))
            }
            _ => Ok(()),
        };
        self.data.found(found.map_err(LinkError::from))
    }
}

impl KProbe {
    fn find_target(&self) -> Result<(), ProgramError> {
        let (target, is_syscall) = self.section_target()?;
        let found = match is_syscall {
            true => kallsyms::syscall_functions(target)
                .iter()
                .map(|function| absent(function))
                .reduce(|first, other| other.and(first))
                .flatten(),
            false => absent(target.split_once('+').map_or(target, |(name, _)| name)),
        };
        self.data
            .found(found.map_or(Ok(()), |error| Err(error.into())))
    }
}

impl KProbeMulti {
    fn find_target(&self) -> Result<(), ProgramError> {
        let target = self.data.target("PATTERN")?;
        let found = match pattern::is_pattern(target) {
            true => None,
            false => absent(target),
        };
        self.data
            .found(found.map_or(Ok(()), |error| Err(error.into())))
    }
}
