//! `hachi map watch`: what changes in a map.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::codec::{Codec, Cpus};
use super::{CpuArgs, dump};
use crate::failure::{Failure, Result};
use crate::output::{BAD, Format, GOOD, Output, Styled, WARN, dim, say};
use crate::select::{self, Access};
use crate::sys::{self, Signals, Waited};
use crate::usage;

/// Print what changes in a map, until Ctrl-C
///
/// Reads the map again and again; a change that is undone between two looks is not seen.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi map watch COUNTERS
  hachi map watch COUNTERS --sum --interval 0.5
  hachi map watch FLOWS --json --duration 10")]
pub struct Args {
    /// Its id, its name, or where it is pinned
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: String,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = usage::seconds)]
    interval: Duration,
    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = usage::seconds)]
    duration: Option<Duration>,
    #[command(flatten)]
    cpus: CpuArgs,
    /// Print one JSON object a line
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let failed = |error| Failure::because("waiting for signals", &error);
    let signals = std::sync::Arc::new(Signals::take(&sys::ENDING).map_err(failed)?);
    out.heed(std::sync::Arc::clone(&signals));
    let map = select::map(&args.map, Access::Read)?;
    let codec = Codec::of(&map)?;
    let cpus = args.cpus.cpus();
    codec.check_cpus(cpus)?;
    let look = || -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let mut seen = BTreeMap::new();
        dump::each(&map, usize::MAX, |key, value| {
            let value = value.map_err(super::failed)?;
            seen.insert(key.to_vec(), value.to_vec());
            Ok(())
        })?;
        Ok(seen)
    };
    let start = Instant::now();
    let mut before = look()?;
    if !args.format.json {
        let elements = crate::output::count(before.len(), "element");
        say!(
            out,
            dim(format_args!("watching map {}: {elements}", map.name()))
        )?;
        out.flush()?;
    }
    loop {
        let left = args.duration.map(|all| all.saturating_sub(start.elapsed()));
        let wait = left.map_or(args.interval, |left| left.min(args.interval));
        if sys::wait_for_data(&signals, &[], Some(wait)).map_err(failed)? == Waited::Signal {
            return Ok(());
        }
        let now = look()?;
        let watcher = Watcher {
            codec: &codec,
            cpus,
            json: args.format.json,
        };
        watcher.differences(&before, &now, out)?;
        out.flush()?;
        before = now;
        if args.duration.is_some_and(|all| start.elapsed() >= all) {
            return Ok(());
        }
    }
}

struct Watcher<'a> {
    codec: &'a Codec,
    cpus: Cpus,
    json: bool,
}

impl Watcher<'_> {
    fn differences(
        &self,
        before: &BTreeMap<Vec<u8>, Vec<u8>>,
        now: &BTreeMap<Vec<u8>, Vec<u8>>,
        out: &mut Output,
    ) -> Result {
        for (key, value) in now {
            match before.get(key) {
                None => self.tell("added", key, None, Some(value), out)?,
                Some(old) if old != value => {
                    self.tell("changed", key, Some(old), Some(value), out)?;
                }
                Some(_) => {}
            }
        }
        for (key, old) in before {
            if !now.contains_key(key) {
                self.tell("removed", key, Some(old), None, out)?;
            }
        }
        Ok(())
    }

    fn tell(
        &self,
        what: &str,
        key: &[u8],
        old: Option<&Vec<u8>>,
        new: Option<&Vec<u8>>,
        out: &mut Output,
    ) -> Result {
        if self.json {
            let part = |value: Option<&Vec<u8>>| match value {
                Some(value) => self.codec.json(key, value, self.cpus),
                None => Ok(json!({})),
            };
            let (old, new) = (part(old)?, part(new)?);
            let either = if new["key"].is_null() { &old } else { &new };
            let value = |entry: &serde_json::Value| match entry.get("values") {
                Some(values) => values.clone(),
                None => entry["value"].clone(),
            };
            return out.json_line(&json!({
                "type": what,
                "key": either["key"],
                "old": value(&old),
                "new": value(&new),
            }));
        }
        let (sign, style) = match what {
            "added" => ("+", GOOD),
            "removed" => ("-", BAD),
            _ => ("~", WARN),
        };
        let text = |value| self.codec.line(value, self.cpus);
        let key = self.codec.key_text(key);
        let change = match (old, new) {
            (Some(old), Some(new)) => format!("{} -> {}", text(old)?, text(new)?),
            (Some(one), None) | (None, Some(one)) => text(one)?,
            (None, None) => String::new(),
        };
        say!(out, Styled(style, sign), " ", key, ": ", change)
    }
}
