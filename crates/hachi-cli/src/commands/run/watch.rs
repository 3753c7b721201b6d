//! What `hachi run` shows until it ends: log messages, counts of events, and what was lost.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anstyle::Style;
use hachi::log_format::{DecodeError, Level, Message};
use hachi::maps::{Map, MapData, RingBuf};
use hachi::{Ebpf, EbpfLogger, EbpfLoggerError};
use serde_json::json;

use super::Args;
use super::attach::Attachment;
use crate::failure::{Failure, Kind, Result};
use crate::object;
use crate::output::{BAD, DIM, GOOD, Output, Styled, WARN, bold, dim, grouped, path_text, say};
use crate::pins::undo_command;
use crate::sys::{self, Signals, Waited};

/// How often event counts and losses are reported at most.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Reads what the programs of an object send.
pub struct Watch<'a> {
    args: &'a Args,
    logger: Option<EbpfLogger>,
    rings: Vec<Ring>,
    /// Log messages shown.
    messages: u64,
    /// Log messages that found no room in the buffer, as far as that was reported.
    lost: u64,
    /// Log messages that were read, but could not be shown.
    unshown: u64,
    started: Instant,
}

/// A ring buffer and what came through it.
struct Ring {
    name: String,
    reader: RingBuf<MapData>,
    records: u64,
    bytes: u64,
    /// `records` when the count was last told.
    told: u64,
}

impl<'a> Watch<'a> {
    /// Takes the ring buffers of an object.
    pub fn of(ebpf: &mut Ebpf, args: &'a Args) -> Result<Watch<'a>> {
        // The logger takes its own; what is left counts.
        let logger = match EbpfLogger::init(ebpf) {
            Ok(logger) => Some(logger),
            Err(EbpfLoggerError::NothingToLog { .. }) => None,
            Err(error) => return Err(Failure::because("reading log messages", &error)),
        };
        let names: Vec<String> = ebpf
            .maps()
            .filter(|(_, map)| matches!(map, Map::RingBuf(_)))
            .map(|(name, _)| name.to_string())
            .collect();
        let mut rings = Vec::new();
        for name in names {
            let reader = ebpf
                .take_map(&name)
                .and_then(RingBuf::try_from)
                .map_err(|error| {
                    Failure::because(format_args!("reading ring buffer {name}"), &error)
                })?;
            rings.push(Ring {
                name,
                reader,
                records: 0,
                bytes: 0,
                told: 0,
            });
        }
        Ok(Watch {
            args,
            logger,
            rings,
            messages: 0,
            lost: 0,
            unshown: 0,
            started: Instant::now(),
        })
    }

    /// Says what is attached.
    pub fn announce(&self, attachments: &[Attachment], out: &mut Output) -> Result {
        if self.args.json {
            for attachment in attachments {
                out.json_line(&attachment.json())?;
            }
            return Ok(());
        }
        if self.args.duration == Some(Duration::ZERO) {
            return Ok(());
        }
        for Attachment {
            program, target, ..
        } in attachments
        {
            let attached = Styled(GOOD, "attached");
            say!(out, attached, " ", bold(program), " to ", target)?;
        }
        if self.args.duration.is_none() {
            say!(out, dim("Ctrl-C ends this"))?;
        }
        out.flush()
    }

    /// Shows what comes until a signal or the end of the time.
    pub fn go_on(&mut self, signals: &Signals, out: &mut Output) -> Result {
        match self.show_all(signals, out) {
            // The signal that came while nobody was reading is one like any other.
            Err(failure) if failure.kind == Kind::Interrupted => Ok(()),
            shown => shown,
        }
    }

    fn show_all(&mut self, signals: &Signals, out: &mut Output) -> Result {
        let deadline = self
            .args
            .duration
            .and_then(|duration| self.started.checked_add(duration));
        let mut next_tell = self.started + TELL_EVERY;
        let mut is_over = false;
        loop {
            self.read(out)?;
            let now = Instant::now();
            // Only here, so that what came before the end is reported.
            if is_over || deadline.is_some_and(|end| now >= end) {
                break;
            }
            if now >= next_tell {
                self.tell_losses(out)?;
                self.tell_counts(out)?;
                next_tell = now + TELL_EVERY;
            }
            out.flush()?;
            let has_news =
                self.logger.is_some() || self.rings.iter().any(|ring| ring.records != ring.told);
            let wake_at = deadline
                .into_iter()
                .chain(has_news.then_some(next_tell))
                .min();
            let fds: Vec<_> = self
                .logger
                .iter()
                .map(|logger| logger.as_fd())
                .chain(self.rings.iter().map(|ring| ring.reader.as_fd()))
                .collect();
            let timeout = wake_at.map(|at| at.saturating_duration_since(now));
            let waited = sys::wait_for_data(signals, &fds, timeout)
                .map_err(|error| Failure::because("waiting for events", &error))?;
            if waited == Waited::Signal {
                is_over = true;
                out.hurry();
            }
        }
        self.tell_counts(out)
    }

    /// Takes what is in the buffers, but no more than that: programs that never cease do not keep
    /// it from looking at the time.
    fn read(&mut self, out: &mut Output) -> Result {
        if let Some(logger) = &mut self.logger {
            let mut failed = Ok(());
            let mut is_interrupted = false;
            logger.read(|message| {
                let shown = match &failed {
                    Ok(()) => tell(message, self.args, out),
                    // What is left in the buffer is lost.
                    Err(_) => return self.unshown += 1,
                };
                match shown {
                    Ok(()) => self.messages += 1,
                    // The message is kept, and from now on signals do not interrupt.
                    Err(failure) if failure.kind == Kind::Interrupted => {
                        is_interrupted = true;
                        self.messages += 1;
                    }
                    Err(failure) => {
                        self.unshown += 1;
                        failed = Err(failure);
                    }
                }
            });
            failed?;
            if is_interrupted {
                return Err(Failure::silent(Kind::Interrupted));
            }
        }
        for ring in &mut self.rings {
            let mut bytes = 0;
            ring.records += ring.reader.drain(|record| bytes += record.len() as u64) as u64;
            ring.bytes += bytes;
        }
        Ok(())
    }

    /// Says how many log messages have been lost since this was last said.
    fn tell_losses(&mut self, out: &mut Output) -> Result {
        let Some(logger) = &self.logger else {
            return Ok(());
        };
        let lost = logger
            .lost()
            .map_err(|error| Failure::because("reading how many messages were lost", &error))?
            .saturating_add(self.unshown);
        if lost <= self.lost {
            return Ok(());
        }
        let new = lost - self.lost;
        self.lost = lost;
        if self.args.json {
            return out.json_line(&json!({
                "type": "lost",
                "what": "log",
                "count": new,
                "total": lost,
            }));
        }
        let messages = match new {
            1 => "1 log message was".to_owned(),
            _ => format!("{} log messages were", grouped(new)),
        };
        out.warn(format_args!(
            "{messages} lost: they came faster than they were read"
        ))
    }

    /// Tells the counts that have changed.
    fn tell_counts(&mut self, out: &mut Output) -> Result {
        if self.args.quiet && !self.args.json {
            return Ok(());
        }
        for ring in &mut self.rings {
            let new = ring.records - ring.told;
            if new == 0 {
                continue;
            }
            ring.told = ring.records;
            if self.args.json {
                out.json_line(&json!({
                    "type": "events",
                    "map": ring.name,
                    "records": ring.records,
                    "bytes": ring.bytes,
                }))?;
                continue;
            }
            let (records, bytes) = (grouped(ring.records), grouped(ring.bytes));
            say!(
                out,
                bold(&ring.name),
                format_args!(": {records} events, {bytes} bytes "),
                dim(format_args!("(+{})", grouped(new)))
            )?;
        }
        Ok(())
    }

    /// Says how it ended, after the end.
    pub fn finish(mut self, out: &mut Output) -> Result {
        self.tell_losses(out)?;
        let pinned = self.args.pin.as_deref();
        if self.args.json {
            return out.json_line(&json!({
                "type": "end",
                "attached": pinned.is_some(),
                "pinned": pinned.map(path_text),
                "messages": self.messages,
                "lost": self.lost,
                "seconds": self.started.elapsed().as_secs_f64(),
            }));
        }
        if self.lost > 0 {
            let (lost, all) = (self.lost, self.lost.saturating_add(self.messages));
            say!(
                out,
                format_args!(
                    "{} of {} log messages were lost",
                    grouped(lost),
                    grouped(all)
                )
            )?;
        }
        let Some(dir) = pinned else {
            return say!(out, "detached");
        };
        let (undo, dir) = (undo_command(dir), dir.display());
        say!(out, "still attached, pinned in ", dir)?;
        say!(out, dim(format_args!("to end it: {undo}")))
    }
}

/// Shows one log message.
fn tell(
    message: std::result::Result<Message<'_>, DecodeError>,
    args: &Args,
    out: &mut Output,
) -> Result {
    let message = match message {
        Ok(message) => message,
        Err(error) => return out.warn(error),
    };
    let site = &message.site;
    let (name, style) = match site.level {
        Level::Error => ("ERROR", BAD),
        Level::Warn => ("WARN ", WARN),
        Level::Info => ("INFO ", GOOD),
        Level::Debug => ("DEBUG", DIM),
        Level::Trace => ("TRACE", Style::new()),
    };
    if args.json {
        return out.json_line(&json!({
            "type": "log",
            "level": name.trim_end(),
            "target": site.target,
            "file": site.file,
            "line": site.line,
            "message": message.to_string(),
        }));
    }
    if args.quiet {
        return Ok(());
    }
    let file = object::short_file(site.file);
    let place = dim(format!("{file}:{}", site.line));
    say!(out, Styled(style, name), " ", message, "  ", place)
}
