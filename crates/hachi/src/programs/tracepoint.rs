//! Tracepoints: places in the kernel that were made to be traced, with a stable record of
//! arguments.

use std::path::Path;

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::{
    links::{LinkError, LinkId, OwnedLink, perf_event},
    programs::ProgramFd,
    sys::perf,
    tracefs,
};

/// A program at a tracepoint (`BPF_PROG_TYPE_TRACEPOINT`), which gets the record that
/// `events/CATEGORY/NAME/format` of tracefs describes. Linux ≥ 4.7.
///
/// Sections `tracepoint/CATEGORY/NAME` and `tp/CATEGORY/NAME`. [`BtfTracePoint`] programs get the
/// kernel's own arguments instead.
///
/// [`BtfTracePoint`]: super::BtfTracePoint
///
/// ```no_run
/// use hachi::programs::TracePoint;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut TracePoint = ebpf.program_mut("started")?.try_into()?;
/// program.load()?;
/// program.attach("sched", "sched_process_exec")?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct TracePoint {
    pub(crate) data: ProgramData,
}

program_methods!(TracePoint);

impl TracePoint {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "tracepoint").map(|data| TracePoint { data })
    }

    /// Loads the program into the kernel, which verifies it.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses; [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    /// Attaches the loaded program to a tracepoint, for all processes and CPUs:
    /// `attach("sched", "sched_switch")`.
    ///
    /// Makes a `bpf_link` (Linux ≥ 5.15) or, on older kernels, a perf event. Needs CAP_PERFMON and
    /// read access to tracefs; where that is not mounted, CAP_SYS_ADMIN.
    ///
    /// # Errors
    /// [`LinkError::NoSuchTarget`] in [`ProgramError::Attach`], with similar names.
    pub fn attach(&mut self, category: &str, name: &str) -> Result<LinkId, ProgramError> {
        self.attach_with_cookie(category, name, 0)
    }

    /// As [`attach`](Self::attach); `bpf_get_attach_cookie` gives the program `cookie`. Linux ≥
    /// 5.15.
    ///
    /// # Errors
    /// As [`attach`](Self::attach); and with
    /// [`LinkError::Unsupported`](crate::links::LinkError::Unsupported) if the kernel has no
    /// cookies for it.
    pub fn attach_with_cookie(
        &mut self,
        category: &str,
        name: &str,
        cookie: u64,
    ) -> Result<LinkId, ProgramError> {
        let link = attach(self.data.fd()?, category, name, cookie);
        self.data.own(link)
    }

    /// Category and name that the section says.
    pub(super) fn section_target(&self) -> Result<(&str, &str), ProgramError> {
        const FORM: &str = "CATEGORY/NAME";
        let target = self.data.target(FORM)?.split_once('/');
        target.ok_or_else(|| self.data.unnamed_target(FORM))
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let (category, name) = self.section_target()?;
        let (category, name) = (category.to_owned(), name.to_owned());
        let link = self.attach(&category, &name)?;
        Ok(Attached::one(link, format!("tracepoint {category}/{name}")))
    }
}

fn attach(
    program: &ProgramFd,
    category: &str,
    name: &str,
    cookie: u64,
) -> Result<OwnedLink, LinkError> {
    let target = format!("tracepoint {category}/{name}");
    let id = tracefs::tracepoint_id(category, name)?;
    // Any one CPU: the program runs wherever the tracepoint is passed.
    let event =
        perf::open_tracepoint(id, -1, 0).map_err(|error| LinkError::attach(&target, error))?;
    perf_event::attach(program, event, cookie, None, &target)
}
