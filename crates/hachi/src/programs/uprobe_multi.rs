//! Probes of many functions of a program or library at once.

use std::path::Path;

use super::{
    AttachOptions, AttachType, Attached, ProbeKind, ProgramData, ProgramError, program_methods,
    uprobe::process,
};
use crate::{
    features,
    links::{
        LinkId,
        multi::{self, Request},
    },
    pattern,
    user::{elf::Binary, error::PlaceError, path},
};

/// A program at any number of places of a program or library (`BPF_PROG_TYPE_KPROBE`,
/// `BPF_TRACE_UPROBE_MULTI`/`…_SESSION`), attached in one go. Linux ≥ 6.6.
///
/// Sections `uprobe.multi/PATH:PATTERN`, `uretprobe.multi/PATH:PATTERN`; `uprobe.session/…` (Linux
/// ≥ 6.13) runs at both and can keep 8 bytes in between; each with `.s` may sleep. In a pattern,
/// `*` is any text and `?` any one letter.
///
/// ```no_run
/// use hachi::programs::UProbeMulti;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut UProbeMulti = ebpf.program_mut("allocates")?.try_into()?;
/// program.load()?;
/// program.attach("*alloc", "libc", None)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct UProbeMulti {
    pub(crate) data: ProgramData,
}

program_methods!(UProbeMulti);

impl UProbeMulti {
    /// Opens the program pinned at `path`, which was loaded from a section of the kind `section`
    /// (`uprobe.multi`, `uretprobe.multi`, `uprobe.session`, …).
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P, section: &str) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), section).map(|data| UProbeMulti { data })
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

    /// Attaches the loaded program to all functions of `target` whose names fit `pattern`. `target`
    /// and `pid` are as for [`UProbe::attach`](super::UProbe::attach).
    ///
    /// # Errors
    /// [`LinkError::NoSuchTarget`](crate::links::LinkError::NoSuchTarget) in
    /// [`ProgramError::Attach`] if none does.
    pub fn attach<T: AsRef<Path>>(
        &mut self,
        pattern: &str,
        target: T,
        pid: Option<i32>,
    ) -> Result<LinkId, ProgramError> {
        self.attach_to(Places::Matching(pattern), target.as_ref(), pid, &[])
    }

    /// Attaches the loaded program to these functions of `target`, which may have versions.
    /// `bpf_get_attach_cookie` gives the program the cookie of the function; there are as many as
    /// functions, or none.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if `target` is no program or library
    /// that can be read, or has no such function; if the kernel is too old for it;
    /// [`LinkError::CookieCount`](crate::links::LinkError::CookieCount) if there are other than as
    /// many cookies as places, or none.
    pub fn attach_to_functions<T: AsRef<Path>>(
        &mut self,
        names: &[&str],
        target: T,
        pid: Option<i32>,
        cookies: &[u64],
    ) -> Result<LinkId, ProgramError> {
        self.attach_to(Places::Functions(names), target.as_ref(), pid, cookies)
    }

    /// As [`attach_to_functions`](Self::attach_to_functions), by offsets in the file.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if `target` is no program or library
    /// that can be read, or an offset lies beyond its end; if the kernel is too old for it;
    /// [`LinkError::CookieCount`](crate::links::LinkError::CookieCount) if there are other than as
    /// many cookies as places, or none.
    pub fn attach_to_offsets<T: AsRef<Path>>(
        &mut self,
        offsets: &[u64],
        target: T,
        pid: Option<i32>,
        cookies: &[u64],
    ) -> Result<LinkId, ProgramError> {
        self.attach_to(Places::Offsets(offsets), target.as_ref(), pid, cookies)
    }

    fn attach_to(
        &mut self,
        places: Places<'_>,
        target: &Path,
        pid: Option<i32>,
        cookies: &[u64],
    ) -> Result<LinkId, ProgramError> {
        let attach_type = self
            .data
            .attach_type()
            .unwrap_or(AttachType::TraceUprobeMulti);
        let request = Request {
            program: self.data.fd()?,
            attach_type: attach_type as u32,
            kind: self.kind(),
            cookies,
            feature: match attach_type {
                AttachType::TraceUprobeSession => &features::UPROBE_SESSION,
                _ => &features::UPROBE_MULTI,
            },
        };
        let attach = || {
            let pid = process(pid)?;
            let path = path::resolve(target, pid)?;
            let offsets = places.offsets(&path)?;
            multi::attach_to_places(&request, &path, &offsets, pid)
        };
        let link = attach();
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        options: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let (path, pattern) = self.data.user_target(options, "PATTERN")?;
        let link = self.attach(&pattern, &path, options.pid.map(|pid| pid as i32))?;
        Ok(Attached::one(
            link,
            format!("functions {pattern} of {}", path.display()),
        ))
    }

    /// See [`Program::find_target`](super::Program::find_target).
    pub(super) fn find_target(&self, options: &AttachOptions) -> Result<(), ProgramError> {
        let (target, pattern) = self.data.user_target(options, "PATTERN")?;
        let find = || {
            let path = path::resolve(&target, options.pid)?;
            Ok(Places::Matching(&pattern).offsets(&path)?)
        };
        self.data.found(find())
    }
}

#[derive(Clone, Copy)]
enum Places<'a> {
    Matching(&'a str),
    Functions(&'a [&'a str]),
    Offsets(&'a [u64]),
}

impl Places<'_> {
    fn offsets(self, path: &Path) -> Result<Vec<u64>, PlaceError> {
        match self {
            Places::Offsets(offsets) => {
                let binary = Binary::headers(path)?;
                offsets
                    .iter()
                    .map(|&offset| binary.offset(offset))
                    .collect()
            }
            Places::Functions(names) => {
                let binary = Binary::open(path)?;
                names
                    .iter()
                    .map(|name| binary.function_offset(name))
                    .collect()
            }
            Places::Matching(name) if !pattern::is_pattern(name) => {
                Ok(vec![Binary::open(path)?.function_offset(name)?])
            }
            Places::Matching(pattern) => Binary::open(path)?.matching_offsets(pattern),
        }
    }
}
