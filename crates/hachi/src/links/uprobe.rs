//! Probes of places in programs and libraries, by the kernel's perf PMU or by tracefs.

use std::{
    ffi::CString,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::Path,
};

use super::{
    LinkError, OwnedLink,
    kprobe::ProbeKind,
    perf_event::{self, Way},
};
use crate::{
    fd::ProgramFd,
    sys::{errno::SyscallError, fs::c_path, perf},
    target::BinaryProblem,
    tracefs::Probe,
    user::error::PlaceError,
};

/// A place in a binary, and who may pass it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a Path,
    /// In the file, in bytes.
    pub(crate) offset: u64,
    /// Where in the file the counter is that says whether somebody watches (USDT); 0 for none.
    pub(crate) semaphore: u64,
    /// Only this process.
    pub(crate) pid: Option<u32>,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{:#x}", self.path.display(), self.offset)?;
        match self.pid {
            Some(pid) => write!(f, " in process {pid}"),
            None => Ok(()),
        }
    }
}

/// Attaches to a place.
pub(crate) fn attach(
    program: &ProgramFd,
    kind: ProbeKind,
    place: &Place<'_>,
    cookie: u64,
    way: Way,
) -> Result<OwnedLink, LinkError> {
    perf_event::attach_probe(
        program,
        "uprobe",
        way,
        cookie,
        &place.to_string(),
        |pmu| open(pmu, kind, place),
        || open_by_tracefs(kind, place),
    )
}

/// Every process on any one CPU, or one process on every CPU.
fn scope(place: &Place<'_>) -> (i32, i32) {
    match place.pid {
        Some(pid) => (i32::try_from(pid).unwrap_or(i32::MAX), -1),
        None => (-1, 0),
    }
}

fn open(pmu: u32, kind: ProbeKind, place: &Place<'_>) -> Result<OwnedFd, LinkError> {
    let target = place.to_string();
    let mut config = match kind {
        ProbeKind::Entry => 0,
        ProbeKind::Return => {
            perf::return_bit("uprobe").map_err(|error| LinkError::io(&*target, error))?
        }
    };
    if place.semaphore != 0 {
        // `format/ref_ctr_offset`: the upper half. Linux ≥ 4.20.
        let semaphore = u32::try_from(place.semaphore).map_err(|_| {
            let problem = BinaryProblem::DistantSemaphore {
                offset: place.semaphore,
            };
            PlaceError::unusable(place.path, problem)
        })?;
        config |= u64::from(semaphore) << 32;
    }
    let path = c_path(place.path).map_err(|error| LinkError::io(&*target, error))?;
    let (pid, cpu) = scope(place);
    perf::open_probe(pmu, config, Some(&path), place.offset, pid, cpu)
        .map_err(|error| explain(place, error))
}

fn open_by_tracefs(kind: ProbeKind, place: &Place<'_>) -> Result<(OwnedFd, Probe), LinkError> {
    let target = place.to_string();
    let path = place.path.as_os_str().as_bytes();
    let usable = !path.contains(&b':') && !path.iter().any(u8::is_ascii_whitespace);
    let Some(path) = place.path.to_str().filter(|_| usable) else {
        return Err(PlaceError::unusable(place.path, BinaryProblem::PathForTracefs).into());
    };
    let mut at = format!("{path}:{:#x}", place.offset);
    if place.semaphore != 0 {
        at.push_str(&format!("({:#x})", place.semaphore));
    }
    let made = Probe::new("uprobe_events", kind == ProbeKind::Return, &at);
    let probe = made.map_err(|error| match error.raw_os_error() {
        Some(_) => explain(place, SyscallError::new("writing uprobe_events", error)),
        None => LinkError::io(&*target, error),
    })?;
    let (pid, cpu) = scope(place);
    let event = perf::open_tracepoint(probe.id()?, pid, cpu)
        .map_err(|error| LinkError::attach(&target, error))?;
    Ok((event, probe))
}

fn explain(place: &Place<'_>, error: SyscallError) -> LinkError {
    match (error.errno(), place.pid) {
        (libc::ESRCH, Some(pid)) => LinkError::no_process(pid),
        _ => LinkError::attach(&place.to_string(), error),
    }
}

/// A path for `BPF_LINK_CREATE`.
pub(crate) fn path_for_link(path: &Path) -> Result<CString, LinkError> {
    c_path(path).map_err(|error| LinkError::io(path.display().to_string(), error))
}
