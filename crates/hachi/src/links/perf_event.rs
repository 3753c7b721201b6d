//! Programs on perf events: tracepoints, kprobes, uprobes, counters and timers.

use hachi_obj::AttachType;
use std::os::fd::{AsFd as _, OwnedFd};

use super::{FdLink, Legacy, LegacyLink, LinkError, OwnedLink};
use crate::{
    fd::ProgramFd,
    features,
    sys::{
        errno::SyscallError,
        perf,
        tracing::{self, LinkTo},
    },
    tracefs::Probe,
};

/// A program that a perf event runs, before such attachments became links (Linux 5.15): it lasts as
/// long as the event's descriptor.
#[derive(Debug)]
struct PerfEvent {
    event: Option<OwnedFd>,
    /// The event was made by writing to tracefs, and is to be removed after its last use.
    probe: Option<Probe>,
}

impl Legacy for PerfEvent {
    fn undo(&mut self) -> Result<(), SyscallError> {
        let Some(event) = self.event.take() else {
            return Ok(());
        };
        let disabled = perf::disable(event.as_fd());
        drop(event);
        // Removes itself from tracefs.
        self.probe = None;
        disabled
    }
}

/// How to make the event of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the PMU where the kernel has it (Linux ≥ 4.17), else by tracefs.
    Best,
    Tracefs,
}

/// Makes a probe and has it run `program`: `open` makes it by the PMU (whose number it gets),
/// `open_by_tracefs` by what it writes to tracefs. `pmu` is `kprobe` or `uprobe`.
pub(crate) fn attach_probe(
    program: &ProgramFd,
    pmu: &str,
    way: Way,
    cookie: u64,
    target: &str,
    open: impl FnOnce(u32) -> Result<OwnedFd, LinkError>,
    open_by_tracefs: impl FnOnce() -> Result<(OwnedFd, Probe), LinkError>,
) -> Result<OwnedLink, LinkError> {
    let pmu = match way {
        Way::Best => perf::pmu(pmu, "type").map_err(|error| LinkError::io(target, error))?,
        Way::Tracefs => None,
    };
    let (event, probe) = match pmu {
        Some(pmu) => (open(pmu)?, None),
        None => {
            let (event, probe) = open_by_tracefs()?;
            (event, Some(probe))
        }
    };
    attach(program, event, cookie, probe, target)
}

/// Makes `event` run `program`. `target` says in words what the event is.
///
/// With `probe`, the event is one that was made by writing to tracefs.
pub(crate) fn attach(
    program: &ProgramFd,
    event: OwnedFd,
    cookie: u64,
    probe: Option<Probe>,
    target: &str,
) -> Result<OwnedLink, LinkError> {
    // A link could not remove what was written to tracefs.
    if probe.is_none() {
        let to = LinkTo::PerfEvent {
            event: event.as_fd(),
            cookie,
        };
        match tracing::link_create(program.as_fd(), AttachType::PerfEvent as u32, &to) {
            // The link holds the event.
            Ok(fd) => return enable(event, target).map(|()| FdLink::new(fd).into()),
            Err(error) if features::PERF_LINK.is_supported() => {
                return Err(LinkError::attach(target, error));
            }
            Err(_) => {}
        }
    }
    if cookie != 0 {
        features::PERF_LINK.require_for("a cookie for a program on a perf event")?;
        return Err(LinkError::CookieByTracefs {
            target: target.to_owned(),
        });
    }
    let failed = |error| LinkError::attach(target, error);
    perf::set_bpf(event.as_fd(), program.as_fd()).map_err(failed)?;
    perf::enable(event.as_fd()).map_err(failed)?;
    Ok(LegacyLink::new(PerfEvent {
        event: Some(event),
        probe,
    })
    .into())
}

fn enable(event: OwnedFd, target: &str) -> Result<(), LinkError> {
    perf::enable(event.as_fd()).map_err(|error| LinkError::attach(target, error))
}
