//! Entries and returns of many kernel functions, by the functions' types.

use std::path::Path;

use super::{
    AttachOptions, AttachType, Attached, ProbeKind, ProgramData, ProgramError, program_methods,
};
use crate::{
    Btf, features,
    links::{
        LinkError, LinkId,
        multi::{self, Request},
    },
};

/// A program at the entries of any number of kernel functions, or at their returns, or both
/// (`BPF_PROG_TYPE_TRACING`, `BPF_TRACE_FENTRY_MULTI`, `…_FEXIT_MULTI`, `…_FSESSION_MULTI`),
/// attached in one go. It gets arguments as numbers, whatever their types. Linux ≥ 7.2.
///
/// Sections `fentry.multi/PATTERN`, `fexit.multi/PATTERN`, `fsession.multi/PATTERN`, and with `.s`
/// such as may sleep. In a pattern, `*` is any text and `?` any one letter.
///
/// ```no_run
/// use hachi::programs::TracingMulti;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let btf = hachi::Btf::from_sys_fs()?;
/// let program: &mut TracingMulti = ebpf.program_mut("entered")?.try_into()?;
/// program.load()?;
/// program.attach("vfs_*", &btf)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct TracingMulti {
    pub(crate) data: ProgramData,
}

program_methods!(TracingMulti);

impl TracingMulti {
    /// Opens the program pinned at `path`, which was loaded from a section of the kind `section`
    /// (`fentry.multi`, `fexit.multi`, `fsession.multi`).
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P, section: &str) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), section).map(|data| TracingMulti { data })
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

    /// Attaches the loaded program to all kernel functions whose names fit `pattern`, as far as
    /// they have types and can be traced. `btf` are the running kernel's types
    /// ([`Btf::from_sys_fs`](crate::Btf::from_sys_fs)).
    ///
    /// # Errors
    /// [`LinkError::NoSuchTarget`](crate::links::LinkError::NoSuchTarget) in
    /// [`ProgramError::Attach`] if none does.
    pub fn attach(&mut self, pattern: &str, btf: &Btf) -> Result<LinkId, ProgramError> {
        let link = multi::attach_to_matching_types(&self.request(&[])?, pattern, btf);
        self.data.own(link)
    }

    /// Attaches the loaded program to these kernel functions. `bpf_get_attach_cookie` gives the
    /// program the cookie of the function; there are as many as functions, or none.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if `btf` or the kernel has no such
    /// function, or none that can be traced (`BPF_LINK_CREATE`), or the kernel is too old for it;
    /// [`LinkError::CookieCount`](crate::links::LinkError::CookieCount) if there are other than as
    /// many cookies as places, or none.
    pub fn attach_to_functions(
        &mut self,
        names: &[&str],
        cookies: &[u64],
        btf: &Btf,
    ) -> Result<LinkId, ProgramError> {
        let link = multi::attach_to_typed_functions(&self.request(cookies)?, names, btf);
        self.data.own(link)
    }

    fn request<'a>(&'a self, cookies: &'a [u64]) -> Result<Request<'a>, ProgramError> {
        let attach_type = self.data.attach_type();
        let attach_type = attach_type.unwrap_or(AttachType::TraceFentryMulti);
        Ok(Request {
            program: self.data.fd()?,
            attach_type: attach_type as u32,
            kind: ProbeKind::Entry,
            cookies,
            feature: &features::TRACING_MULTI,
        })
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let pattern = self.data.target("PATTERN")?.to_owned();
        let target = format!("kernel functions {pattern}");
        let btf = self.data.object()?.kernel_btf().running().cloned();
        let btf = btf.map_err(|error| self.data.attach_error(LinkError::KernelTypes(error)))?;
        let link = self.attach(&pattern, &btf)?;
        Ok(Attached::one(link, target))
    }
}
