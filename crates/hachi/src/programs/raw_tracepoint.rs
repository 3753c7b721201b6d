//! Raw tracepoints: the same places as tracepoints, with the arguments as the kernel has them.

use std::{ffi::CString, path::Path};

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::links::{LinkId, NoSuchTarget, TargetKind, tracing};

/// A program at a raw tracepoint (`BPF_PROG_TYPE_RAW_TRACEPOINT`, `…_WRITABLE`), which gets the
/// tracepoint's arguments as an array of `u64`. Linux ≥ 4.17.
///
/// Sections `raw_tracepoint/NAME` and `raw_tp/NAME`; with `.w` (Linux ≥ 5.2) the program may write
/// to the tracepoint's buffer, where it has one.
///
/// ```no_run
/// use hachi::programs::RawTracePoint;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut RawTracePoint = ebpf.program_mut("started")?.try_into()?;
/// program.load()?;
/// program.attach("sched_process_exec")?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct RawTracePoint {
    pub(crate) data: ProgramData,
}

program_methods!(RawTracePoint);

impl RawTracePoint {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "raw_tracepoint").map(|data| RawTracePoint { data })
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

    /// Attaches the loaded program to a tracepoint by its name, without a category: `sys_enter`.
    ///
    /// # Errors
    /// [`LinkError::NoSuchTarget`](crate::links::LinkError::NoSuchTarget) in
    /// [`ProgramError::Attach`], with similar names.
    pub fn attach(&mut self, name: &str) -> Result<LinkId, ProgramError> {
        self.attach_with_cookie(name, 0)
    }

    /// As [`attach`](Self::attach); `bpf_get_attach_cookie` gives the program `cookie`. Linux ≥
    /// 6.10.
    ///
    /// # Errors
    /// As [`attach`](Self::attach); and with
    /// [`LinkError::Unsupported`](crate::links::LinkError::Unsupported) if the kernel has no
    /// cookies for it.
    pub fn attach_with_cookie(&mut self, name: &str, cookie: u64) -> Result<LinkId, ProgramError> {
        let program = self.data.fd()?;
        let link = match CString::new(name) {
            Ok(c_name) => tracing::attach_raw_tracepoint(program, &c_name, cookie),
            Err(_) => Err(NoSuchTarget::new(TargetKind::RawTracepoint, name).into()),
        };
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let name = self.data.target("NAME")?.to_owned();
        let link = self.attach(&name)?;
        Ok(Attached::one(link, format!("raw tracepoint {name}")))
    }
}
