//! Probes of functions, or instructions, of programs and libraries.

use std::path::{Path, PathBuf};

use super::{
    AttachOptions, Attached, ProbeKind, ProgramData, ProgramError, kprobe, program_methods,
};
use crate::{
    links::{
        LinkError, LinkId,
        perf_event::Way,
        uprobe::{self, Place},
    },
    target::BinaryProblem,
    user::{elf::Binary, error::PlaceError, path},
};

/// A program at a function (or an instruction) of a program or library, entered or returning
/// (`BPF_PROG_TYPE_KPROBE`), which gets the registers. Linux ≥ 4.1.
///
/// Sections `uprobe/PATH:FUNCTION`, `uprobe/PATH:FUNCTION+OFFSET`, `uretprobe/PATH:FUNCTION`, and
/// with `.s` such as may sleep (Linux ≥ 6.0), so that they can read memory that is not there yet.
///
/// ```no_run
/// use hachi::programs::UProbe;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut UProbe = ebpf.program_mut("asks")?.try_into()?;
/// program.load()?;
/// // In all processes that use this library.
/// program.attach("getenv", "libc", None, None)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct UProbe {
    pub(crate) data: ProgramData,
}

program_methods!(UProbe);

/// A place in a program or library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UProbeAttachLocation<'a> {
    /// A function by its name, which may have a version: `pthread_create@GLIBC_2.34`.
    Symbol(&'a str),
    /// This many bytes into a function.
    SymbolOffset(&'a str, u64),
    /// This many bytes into the file. In a program that is loaded at the addresses it was linked
    /// for (not position-independent), an address of its code, as its tools print it, is
    /// understood, too.
    AbsoluteOffset(u64),
    /// An address as linked: what `nm` and `objdump` print.
    Address(u64),
}

impl<'a> From<&'a str> for UProbeAttachLocation<'a> {
    fn from(name: &'a str) -> Self {
        UProbeAttachLocation::Symbol(name)
    }
}

impl From<u64> for UProbeAttachLocation<'static> {
    fn from(offset: u64) -> Self {
        UProbeAttachLocation::AbsoluteOffset(offset)
    }
}

impl UProbe {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P, kind: ProbeKind) -> Result<Self, ProgramError> {
        let section = match kind {
            ProbeKind::Entry => "uprobe",
            ProbeKind::Return => "uretprobe",
        };
        ProgramData::from_pin(path.as_ref(), section).map(|data| UProbe { data })
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

    /// Entry or return, by the section.
    pub fn kind(&self) -> ProbeKind {
        ProbeKind::of_section(self.data.section_kind())
    }

    /// Attaches the loaded program to a place in a program or library: `attach("malloc", "libc",
    /// None, None)`.
    ///
    /// `target` is a path, or the name of a library (`libc.so.6`, `libc`) or of a program. With
    /// `pid` only this process runs the program (0: the calling one); without, everybody who
    /// passes, now and later. With `pid`, a name stands for the file that the process has mapped,
    /// and an absolute path is looked up in its root: it may be in a container. (Paths in `/proc`
    /// are ours.)
    ///
    /// Symbols that the file itself does not have are looked for in its debugging information: a
    /// file named by its build id or `.gnu_debuglink`, and, with the feature `debuginfo`,
    /// compressed in the file.
    /// `bpf_get_attach_cookie` gives the program `cookie` (Linux ≥ 5.15).
    ///
    /// Makes a `bpf_link` (Linux ≥ 5.15) or, on older kernels, a perf event; kernels before 4.17
    /// are told by tracefs. Needs CAP_PERFMON; CAP_SYS_ADMIN before Linux 6.7 or so.
    ///
    /// # Errors
    /// [`LinkError`] in [`ProgramError::Attach`]: no such function, library or process, with
    /// similar names; several functions of that name.
    pub fn attach<'loc, T: AsRef<Path>, Loc: Into<UProbeAttachLocation<'loc>>>(
        &mut self,
        location: Loc,
        target: T,
        pid: Option<i32>,
        cookie: Option<u64>,
    ) -> Result<LinkId, ProgramError> {
        let request = Request {
            location: location.into(),
            target: target.as_ref(),
            pid,
            cookie: cookie.unwrap_or(0),
            way: Way::Best,
        };
        self.attach_to(&request)
    }

    /// As [`attach`](Self::attach), by an event written to `uprobe_events` of tracefs, which others
    /// can see there, although the kernel may have better ways.
    ///
    /// # Errors
    /// As [`attach`](Self::attach), and if tracefs is not mounted, `uprobe_events` may not be
    /// written, or the path of `target` is one that it does not take.
    pub fn attach_by_tracefs<'loc, T: AsRef<Path>, Loc: Into<UProbeAttachLocation<'loc>>>(
        &mut self,
        location: Loc,
        target: T,
        pid: Option<i32>,
    ) -> Result<LinkId, ProgramError> {
        let request = Request {
            location: location.into(),
            target: target.as_ref(),
            pid,
            cookie: 0,
            way: Way::Tracefs,
        };
        self.attach_to(&request)
    }

    fn attach_to(&mut self, request: &Request<'_>) -> Result<LinkId, ProgramError> {
        let program = self.data.fd()?;
        let link = request.resolve().and_then(|(path, offset, pid)| {
            let place = Place {
                path: &path,
                offset,
                semaphore: 0,
                pid,
            };
            uprobe::attach(program, self.kind(), &place, request.cookie, request.way)
        });
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        options: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let (path, function) = self.data.user_target(options, "FUNCTION")?;
        let link = self.attach_to(&self.section_request(&path, &function, options)?)?;
        Ok(Attached::one(
            link,
            format!("function {function} of {}", path.display()),
        ))
    }

    /// See [`Program::find_target`](super::Program::find_target).
    pub(super) fn find_target(&self, options: &AttachOptions) -> Result<(), ProgramError> {
        let (path, function) = self.data.user_target(options, "FUNCTION")?;
        let request = self.section_request(&path, &function, options)?;
        self.data.found(request.resolve())
    }

    fn section_request<'a>(
        &self,
        path: &'a Path,
        function: &'a str,
        options: &AttachOptions,
    ) -> Result<Request<'a>, ProgramError> {
        let (name, offset) = match function.split_once('+') {
            None => (function, 0),
            Some((name, text)) => match kprobe::number(text) {
                Some(offset) => (name, offset),
                None => return Err(self.data.unnamed_target("PATH:FUNCTION+OFFSET")),
            },
        };
        Ok(Request {
            // A number alone is an offset in the file.
            location: match kprobe::number(name) {
                Some(at) => UProbeAttachLocation::AbsoluteOffset(at + offset),
                None => UProbeAttachLocation::SymbolOffset(name, offset),
            },
            target: path,
            pid: options.pid.map(|pid| pid as i32),
            cookie: 0,
            way: Way::Best,
        })
    }
}

impl ProgramData {
    /// A section's `PATH:REST`, or `REST` where the options say which binary.
    pub(crate) fn user_target(
        &self,
        options: &AttachOptions,
        form: &str,
    ) -> Result<(PathBuf, String), ProgramError> {
        let form = format!("PATH:{form}");
        let target = self.target(&form)?;
        match (target.split_once(':'), &options.binary) {
            (_, Some(binary)) if !target.contains('/') => Ok((binary.clone(), target.to_owned())),
            (Some((path, rest)), _) if !path.is_empty() && !rest.is_empty() => {
                Ok((PathBuf::from(path), rest.to_owned()))
            }
            _ => Err(self.unnamed_target(&form)),
        }
    }
}

/// What [`UProbe::attach`] was given.
struct Request<'a> {
    location: UProbeAttachLocation<'a>,
    target: &'a Path,
    pid: Option<i32>,
    cookie: u64,
    way: Way,
}

impl Request<'_> {
    /// The file, the offset in it, and the process.
    fn resolve(&self) -> Result<(PathBuf, u64, Option<u32>), LinkError> {
        let pid = process(self.pid)?;
        let path = path::resolve(self.target, pid)?;
        let offset = match self.location {
            UProbeAttachLocation::AbsoluteOffset(offset) => {
                Binary::headers(&path)?.offset(offset)?
            }
            UProbeAttachLocation::Address(address) => Binary::headers(&path)?.offset_of(address)?,
            UProbeAttachLocation::Symbol(name) => Binary::open(&path)?.function_offset(name)?,
            UProbeAttachLocation::SymbolOffset(name, offset) => Binary::open(&path)?
                .function_offset(name)?
                .checked_add(offset)
                .ok_or_else(|| {
                    PlaceError::unusable(&path, BinaryProblem::OffsetOverflow { offset })
                })?,
        };
        Ok((path, offset, pid))
    }
}

/// A process as callers give it; 0 is this one.
pub(crate) fn process(pid: Option<i32>) -> Result<Option<u32>, LinkError> {
    match pid {
        None => Ok(None),
        Some(0) => Ok(Some(std::process::id())),
        Some(pid) => u32::try_from(pid)
            .map(Some)
            .map_err(|_| LinkError::no_process(pid)),
    }
}
