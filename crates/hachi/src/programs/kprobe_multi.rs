//! Probes of many kernel functions at once.

use std::path::Path;

use super::{
    AttachOptions, AttachType, Attached, ProbeKind, ProgramData, ProgramError, program_methods,
};
use crate::{
    features,
    links::{
        LinkId,
        multi::{self, Request},
    },
};

/// A program at any number of kernel functions (`BPF_PROG_TYPE_KPROBE`,
/// `BPF_TRACE_KPROBE_MULTI`/`…_SESSION`), attached in one go. Linux ≥ 5.18, built with
/// CONFIG_FPROBE.
///
/// Sections `kprobe.multi/PATTERN`, `kretprobe.multi/PATTERN`; `kprobe.session/PATTERN` (Linux ≥
/// 6.10) runs at both and can keep 8 bytes in between. In a pattern, `*` is any text and `?` any
/// one letter.
///
/// ```no_run
/// use hachi::programs::KProbeMulti;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut KProbeMulti = ebpf.program_mut("entered")?.try_into()?;
/// program.load()?;
/// program.attach("vfs_*")?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct KProbeMulti {
    pub(crate) data: ProgramData,
}

program_methods!(KProbeMulti);

impl KProbeMulti {
    /// Opens the program pinned at `path`, which was loaded from a section of the kind `section`
    /// (`kprobe.multi`, `kretprobe.multi`, `kprobe.session`).
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P, section: &str) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), section).map(|data| KProbeMulti { data })
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

    /// Entry or return, by the section. A session begins at the entry.
    pub fn kind(&self) -> ProbeKind {
        ProbeKind::of_section(self.data.section_kind())
    }

    /// Attaches the loaded program to all kernel functions whose names fit `pattern`, as far as
    /// they can be traced.
    ///
    /// # Errors
    /// [`LinkError::NoSuchTarget`](crate::links::LinkError::NoSuchTarget) in
    /// [`ProgramError::Attach`] if none does.
    pub fn attach(&mut self, pattern: &str) -> Result<LinkId, ProgramError> {
        let link = multi::attach_to_matching(&self.request(&[])?, pattern);
        self.data.own(link)
    }

    /// Attaches the loaded program to these kernel functions. `bpf_get_attach_cookie` gives the
    /// program the cookie of the function; there are as many as functions, or none.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if the kernel has no such function, or
    /// none that ftrace can trace (`BPF_LINK_CREATE`: ESRCH, EINVAL), or is too old for it;
    /// [`LinkError::CookieCount`](crate::links::LinkError::CookieCount) if there are other than as
    /// many cookies as places, or none.
    pub fn attach_to_functions(
        &mut self,
        names: &[&str],
        cookies: &[u64],
    ) -> Result<LinkId, ProgramError> {
        let link = multi::attach_to_functions(&self.request(cookies)?, names);
        self.data.own(link)
    }

    /// As [`attach_to_functions`](Self::attach_to_functions), by addresses such as
    /// `/proc/kallsyms` shows.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if one is not the address of a
    /// function that ftrace can trace (`BPF_LINK_CREATE`: EINVAL), or the kernel is too old for it;
    /// [`LinkError::CookieCount`](crate::links::LinkError::CookieCount) if there are other than as
    /// many cookies as places, or none.
    pub fn attach_to_addresses(
        &mut self,
        addresses: &[u64],
        cookies: &[u64],
    ) -> Result<LinkId, ProgramError> {
        let link = multi::attach_to_addresses(&self.request(cookies)?, addresses);
        self.data.own(link)
    }

    fn request<'a>(&'a self, cookies: &'a [u64]) -> Result<Request<'a>, ProgramError> {
        let attach_type = self
            .data
            .attach_type()
            .unwrap_or(AttachType::TraceKprobeMulti);
        Ok(Request {
            program: self.data.fd()?,
            attach_type: attach_type as u32,
            kind: self.kind(),
            cookies,
            feature: match attach_type {
                AttachType::TraceKprobeSession => &features::KPROBE_SESSION,
                _ => &features::KPROBE_MULTI,
            },
        })
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let pattern = self.data.target("PATTERN")?.to_owned();
        let link = self.attach(&pattern)?;
        Ok(Attached::one(link, format!("kernel functions {pattern}")))
    }
}
