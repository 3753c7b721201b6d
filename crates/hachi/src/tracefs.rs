//! Events of the tracing file system: their numbers, names like a wrong one, and probes made by
//! writing there.

use std::{
    io,
    os::fd::OwnedFd,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    links::LinkError,
    near,
    near::Near,
    sys::{perf, tracefs},
};

/// The number of tracepoint `category`/`name`.
pub(crate) fn tracepoint_id(category: &str, name: &str) -> Result<u64, LinkError> {
    let target = format!("{category}/{name}");
    match tracefs::event_id(category, name) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => {
            let events = tracefs::names(category);
            let hint = if events.is_empty() {
                let categories = tracefs::names("");
                near::hint(category, categories.iter().map(String::as_str))
            } else {
                near::hint(name, events.iter().map(String::as_str))
            };
            let what = if events.is_empty() {
                "tracepoint category"
            } else {
                "tracepoint"
            };
            let hint = match hint.as_str() {
                "" => events_like(name),
                _ => hint,
            };
            Err(LinkError::no_such(
                what,
                if events.is_empty() { category } else { &target },
                hint,
            ))
        }
        Err(error) => Err(LinkError::io(format!("tracepoint {target}"), error)),
    }
}

/// A hint at tracepoints of any category whose names are like `name`.
pub(crate) fn events_like(name: &str) -> String {
    let mut near = Near::new(name);
    for category in tracefs::names("") {
        for event in tracefs::names(&category) {
            near.offer(&event);
        }
    }
    near.hint()
}

/// An event made by writing to `kprobe_events` or `uprobe_events`, removed when dropped.
#[derive(Debug)]
pub(crate) struct Probe {
    file: &'static str,
    /// `hachi_PID_NUMBER/NAME`.
    event: String,
}

impl Probe {
    /// Makes an event in `file` (`kprobe_events`, `uprobe_events`): `place` is what the kernel's
    /// documentation (`trace/kprobetrace.rst`) has after the event's name.
    pub(crate) fn new(file: &'static str, returns: bool, place: &str) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let event = format!(
            "hachi_{}/probe_{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let kind = if returns { 'r' } else { 'p' };
        tracefs::write_probe(file, &format!("{kind}:{event} {place}\n"))?;
        Ok(Probe { file, event })
    }

    /// The event, for perf_event_open(2).
    pub(crate) fn open(&self, pid: i32, cpu: i32, target: &str) -> Result<OwnedFd, LinkError> {
        let (category, name) = self.event.split_once('/').unwrap_or_default();
        perf::open_tracepoint(tracepoint_id(category, name)?, pid, cpu)
            .map_err(|error| LinkError::attach(target, error))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Err(error) = tracefs::write_probe(self.file, &format!("-:{}\n", self.event)) {
            log::warn!("cannot remove the event {}: {error}", self.event);
        }
    }
}
