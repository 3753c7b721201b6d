//! Events of the tracing file system: their numbers, names like a wrong one, and probes made by
//! writing there.

use std::{
    io,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    near::{self, Near},
    sys::{process::Maker, tracefs},
    target::{Hint, NoSuchTarget, TargetKind},
};

/// Why an event cannot be used.
#[derive(Debug)]
pub(crate) enum EventError {
    /// There is no such tracepoint, or category of them.
    NoSuch(NoSuchTarget),
    /// Its file cannot be read.
    Io { event: String, error: io::Error },
}

/// The number of tracepoint `category`/`name`.
pub(crate) fn tracepoint_id(category: &str, name: &str) -> Result<u64, EventError> {
    let target = format!("{category}/{name}");
    match tracefs::event_id(category, name) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => {
            let event = name;
            let failed = |error| EventError::Io {
                event: format!("tracepoint {target}"),
                error,
            };
            let events = tracefs::names(category).map_err(failed)?;
            let (kind, name, mut similar) = match events.is_empty() {
                true => {
                    let categories = tracefs::names("").map_err(failed)?;
                    let categories = categories.iter().map(String::as_str);
                    let similar = near::similar(category, categories);
                    (TargetKind::TracepointCategory, category, similar)
                }
                false => {
                    let similar = near::similar(name, events.iter().map(String::as_str));
                    (TargetKind::Tracepoint, target.as_str(), similar)
                }
            };
            if similar.is_empty() {
                similar = events_like(event);
            }
            let error = NoSuchTarget::new(kind, name).hint(Hint::Similar(similar));
            Err(EventError::NoSuch(error))
        }
        Err(error) => Err(EventError::Io {
            event: format!("tracepoint {target}"),
            error,
        }),
    }
}

/// The tracepoints of any category whose names are like `name`, as far as they can be listed: for
/// a hint.
pub(crate) fn events_like(name: &str) -> Vec<String> {
    let mut near = Near::new(name);
    for category in tracefs::names("").unwrap_or_default() {
        for event in tracefs::names(&category).unwrap_or_default() {
            near.offer(&event);
        }
    }
    near.names()
}

/// An event made by writing to `kprobe_events` or `uprobe_events`, removed when dropped by the
/// process that made it.
#[derive(Debug)]
pub(crate) struct Probe {
    file: &'static str,
    /// `hachi_PID_NUMBER/NAME`.
    event: String,
    maker: Maker,
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
        Ok(Probe {
            file,
            event,
            maker: Maker::this(),
        })
    }

    /// The event's number, for perf_event_open(2).
    pub(crate) fn id(&self) -> Result<u64, EventError> {
        let (category, name) = self.event.split_once('/').unwrap_or_default();
        tracepoint_id(category, name)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.maker.is_this()
            && let Err(error) = tracefs::write_probe(self.file, &format!("-:{}\n", self.event))
        {
            log::warn!("cannot remove the event {}: {error}", self.event);
        }
    }
}
