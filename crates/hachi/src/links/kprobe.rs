//! Probes of kernel functions, by the kernel's perf PMU or by tracefs.

use std::{ffi::CString, os::fd::OwnedFd};

use super::{
    LinkError, OwnedLink,
    perf_event::{self, Way},
};
use crate::{
    fd::ProgramFd,
    kallsyms,
    near::Near,
    sys::{errno::SyscallError, perf},
    target::{Hint, NoSuchTarget, TargetKind},
    tracefs::Probe,
};

/// Whether a probe runs when a function is entered or when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProbeKind {
    /// At the first instruction (or another one).
    Entry,
    /// At the return.
    Return,
}

impl ProbeKind {
    /// By the name of the section: `kretprobe`, `uretprobe.s`.
    pub(crate) fn of_section(kind: &str) -> Self {
        if kind.contains("ret") {
            ProbeKind::Return
        } else {
            ProbeKind::Entry
        }
    }
}

/// Where in the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// This many bytes into a function.
    Function { name: &'a str, offset: u64 },
    /// At an address.
    Address(u64),
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Function { name, offset: 0 } => write!(f, "kernel function {name}"),
            Place::Function { name, offset } => write!(f, "kernel function {name}+{offset:#x}"),
            Place::Address(address) => write!(f, "kernel address {address:#x}"),
        }
    }
}

/// Attaches to a place in the kernel.
pub(crate) fn attach(
    program: &ProgramFd,
    kind: ProbeKind,
    place: Place<'_>,
    cookie: u64,
    way: Way,
) -> Result<OwnedLink, LinkError> {
    perf_event::attach_probe(
        program,
        "kprobe",
        way,
        cookie,
        &place.to_string(),
        |pmu| open(pmu, kind, place),
        || open_by_tracefs(kind, place),
    )
}

fn open(pmu: u32, kind: ProbeKind, place: Place<'_>) -> Result<OwnedFd, LinkError> {
    let target = place.to_string();
    let config = match kind {
        ProbeKind::Entry => 0,
        ProbeKind::Return => {
            perf::return_bit("kprobe").map_err(|error| LinkError::io(&*target, error))?
        }
    };
    let (name, at) = match place {
        Place::Function { name, offset } => (Some(c_name(name)?), offset),
        Place::Address(address) => (None, address),
    };
    perf::open_probe(pmu, config, name.as_deref(), at, -1, 0).map_err(|error| explain(place, error))
}

fn open_by_tracefs(kind: ProbeKind, place: Place<'_>) -> Result<(OwnedFd, Probe), LinkError> {
    let target = place.to_string();
    let at = match place {
        Place::Function { name, offset } => {
            // The line would end, or mean something else.
            c_name(name)?;
            format!("{name}+{offset}")
        }
        Place::Address(address) => format!("{address:#x}"),
    };
    let made = Probe::new("kprobe_events", kind == ProbeKind::Return, &at);
    let probe = made.map_err(|error| match error.raw_os_error() {
        Some(_) => explain(place, SyscallError::new("writing kprobe_events", error)),
        None if error.kind() == std::io::ErrorKind::NotFound => LinkError::NoKprobes,
        None => LinkError::io(&*target, error),
    })?;
    let event = perf::open_tracepoint(probe.id()?, -1, 0)
        .map_err(|error| LinkError::attach(&target, error))?;
    Ok((event, probe))
}

fn c_name(name: &str) -> Result<CString, LinkError> {
    match CString::new(name) {
        Ok(c_name) if !name.contains(char::is_whitespace) => Ok(c_name),
        _ => Err(NoSuchTarget::new(TargetKind::KernelFunction, name).into()),
    }
}

fn explain(place: Place<'_>, error: SyscallError) -> LinkError {
    if let Place::Function { name, .. } = place
        && matches!(error.errno(), libc::ENOENT | libc::EINVAL)
        && let Some(error) = absent(name)
    {
        return error.into();
    }
    LinkError::attach(&place.to_string(), error)
}

/// The error that says so, with similar names, if the kernel has no function of this name.
pub(crate) fn absent(wanted: &str) -> Option<NoSuchTarget> {
    // A list that cannot be read, or only in part, does not tell that it is absent.
    if kallsyms::has_function(wanted).unwrap_or(true) {
        return None;
    }
    let mut near = Near::new(wanted);
    let mut any = false;
    let listed = kallsyms::for_each_function(|name, _| {
        any = true;
        near.offer(name);
    });
    (listed.is_ok() && any).then(|| {
        let hint = Hint::Similar(near.names());
        NoSuchTarget::new(TargetKind::KernelFunction, wanted).hint(hint)
    })
}
