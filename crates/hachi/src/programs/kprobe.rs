//! Probes of any kernel function, or instruction in it.

use std::path::Path;

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::{
    kallsyms,
    links::{
        LinkId,
        kprobe::{self, Place, ProbeKind},
        perf_event::Way,
    },
};

/// A program at a kernel function, entered or returning (`BPF_PROG_TYPE_KPROBE`), which gets the
/// registers. Linux ≥ 4.1, built with CONFIG_KPROBES.
///
/// Sections `kprobe/FUNCTION`, `kprobe/FUNCTION+OFFSET`, `kretprobe/FUNCTION`, and for system
/// calls, whose functions are named differently by architecture, `ksyscall/NAME` and
/// `kretsyscall/NAME`.
///
/// ```no_run
/// use hachi::programs::KProbe;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut KProbe = ebpf.program_mut("entered")?.try_into()?;
/// program.load()?;
/// // At its first instruction.
/// program.attach("vfs_fsync", 0)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct KProbe {
    pub(crate) data: ProgramData,
}

program_methods!(KProbe);

impl KProbe {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P, kind: ProbeKind) -> Result<Self, ProgramError> {
        let section = match kind {
            ProbeKind::Entry => "kprobe",
            ProbeKind::Return => "kretprobe",
        };
        ProgramData::from_pin(path.as_ref(), section).map(|data| KProbe { data })
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

    /// Attaches the loaded program `offset` bytes into the kernel function `function` (0 for
    /// returns).
    ///
    /// Makes a `bpf_link` (Linux ≥ 5.15) or, on older kernels, a perf event; kernels before 4.17
    /// are told by tracefs. Needs CAP_PERFMON.
    ///
    /// # Errors
    /// [`LinkError::NoSuchTarget`](crate::links::LinkError::NoSuchTarget) in
    /// [`ProgramError::Attach`], with similar names.
    pub fn attach(&mut self, function: &str, offset: u64) -> Result<LinkId, ProgramError> {
        self.attach_with_cookie(function, offset, 0)
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
        function: &str,
        offset: u64,
        cookie: u64,
    ) -> Result<LinkId, ProgramError> {
        let place = Place::Function {
            name: function,
            offset,
        };
        self.attach_to(place, cookie, Way::Best)
    }

    /// Attaches to the instruction at an address of the kernel, such as `/proc/kallsyms` shows.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if there is no instruction at that
    /// address, or none that may be probed (`perf_event_open`: EINVAL, EILSEQ), or the kernel has
    /// no kprobes.
    pub fn attach_to_address(&mut self, address: u64, cookie: u64) -> Result<LinkId, ProgramError> {
        self.attach_to(Place::Address(address), cookie, Way::Best)
    }

    /// As [`attach`](Self::attach), by an event written to `kprobe_events` of tracefs, which others
    /// can see there, although the kernel may have better ways.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] as for [`attach`](Self::attach), and
    /// if tracefs is not mounted or `kprobe_events` may not be written.
    pub fn attach_by_tracefs(
        &mut self,
        function: &str,
        offset: u64,
    ) -> Result<LinkId, ProgramError> {
        let place = Place::Function {
            name: function,
            offset,
        };
        self.attach_to(place, 0, Way::Tracefs)
    }

    /// Attaches to the function of the system call `name`, whatever this architecture calls it:
    /// `__x64_sys_openat` for `openat`.
    ///
    /// # Errors
    /// As [`attach`](Self::attach);
    /// [`LinkError::NoSuchTarget`](crate::links::LinkError::NoSuchTarget) if the kernel has no such
    /// system call.
    pub fn attach_to_syscall(&mut self, name: &str, cookie: u64) -> Result<LinkId, ProgramError> {
        let mut result = Err(self.data.unnamed_target("SYSCALL"));
        for function in kallsyms::syscall_functions(name) {
            result = self.attach_with_cookie(&function, 0, cookie);
            if !matches!(&result, Err(error) if error.is_no_such_target()) {
                break;
            }
        }
        result
    }

    fn attach_to(
        &mut self,
        place: Place<'_>,
        cookie: u64,
        way: Way,
    ) -> Result<LinkId, ProgramError> {
        let link = kprobe::attach(self.data.fd()?, self.kind(), place, cookie, way);
        self.data.own(link)
    }

    /// What the section names, and whether that is a system call.
    pub(super) fn section_target(&self) -> Result<(&str, bool), ProgramError> {
        let is_syscall = self.data.section_kind().contains("syscall");
        let form = if is_syscall { "SYSCALL" } else { "FUNCTION" };
        Ok((self.data.target(form)?, is_syscall))
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let (target, is_syscall) = self.section_target()?;
        let target = target.to_owned();
        if is_syscall {
            let link = self.attach_to_syscall(&target, 0)?;
            return Ok(Attached::one(link, format!("system call {target}")));
        }
        let (name, offset) = match target.split_once('+') {
            None => (&*target, 0),
            Some((name, text)) => match number(text) {
                Some(offset) => (name, offset),
                None => return Err(self.data.unnamed_target("FUNCTION+OFFSET")),
            },
        };
        let place = Place::Function { name, offset };
        let link = self.attach_to(place, 0, Way::Best)?;
        Ok(Attached::one(link, place.to_string()))
    }
}

/// A decimal number, or a hexadecimal one after `0x`.
pub(crate) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
