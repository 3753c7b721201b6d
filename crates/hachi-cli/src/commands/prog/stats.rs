//! `hachi prog stats`: how often programs run, and how long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hachi::programs::{ProgramInfo, RunStats};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::output::{self, Format, Output, say};
use crate::sys::{self, Signals, Waited};
use crate::{kernel, select, usage};

/// Count the runs of programs for a while, and the time they take
///
/// The kernel counts only while this runs, unless `kernel.bpf_stats_enabled` is set.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi prog stats
  hachi prog stats firewall --duration 10
  hachi prog stats --duration 1 --json")]
pub struct Args {
    /// Their ids, names, tags or pins; all if none is given
    #[arg(value_name = "PROGRAM")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::programs))]
    programs: Vec<String>,
    /// How many seconds to count
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = usage::seconds)]
    duration: Duration,
    #[command(flatten)]
    format: Format,
}

/// What was counted of one program.
struct Counted {
    program: ProgramInfo,
    runs: u64,
    time: Duration,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let failed = |error| Failure::because("waiting for signals", &error);
    let signals = Arc::new(Signals::take(&sys::ENDING).map_err(failed)?);
    out.heed(Arc::clone(&signals));
    let wanted = args
        .programs
        .iter()
        .map(|wanted| select::program(wanted).map(|program| program.id()))
        .collect::<Result<Vec<u32>>>()?;
    let _counting = RunStats::enable().map_err(|error| Failure::because("", &error))?;
    let look = || -> Result<BTreeMap<u32, ProgramInfo>> {
        let mut programs = kernel::programs()?;
        if !wanted.is_empty() {
            programs.retain(|program| wanted.contains(&program.id()));
        }
        Ok(programs
            .into_iter()
            .map(|program| (program.id(), program))
            .collect())
    };
    let (before, start) = (look()?, Instant::now());
    // A signal ends the count, and what was counted is shown.
    let waited = sys::wait_for_data(&signals, &[], Some(args.duration)).map_err(failed)?;
    debug_assert!(waited != Waited::Ready);
    let (after, span) = (look()?, start.elapsed());
    let mut counted: Vec<Counted> = after
        .into_values()
        .map(|program| {
            let (runs, time) = program.run_stats();
            let (runs_before, time_before) = before
                .get(&program.id())
                .map_or_else(Default::default, ProgramInfo::run_stats);
            Counted {
                runs: runs.saturating_sub(runs_before),
                time: time.saturating_sub(time_before),
                program,
            }
        })
        .collect();
    counted.sort_by_key(|counted| (std::cmp::Reverse(counted.time), counted.program.id()));
    let seconds = span.as_secs_f64().max(f64::MIN_POSITIVE);
    let each = |counted: &Counted| match counted.runs {
        0 => 0,
        runs => counted.time.as_nanos() / u128::from(runs),
    };
    let share = |counted: &Counted| 100.0 * counted.time.as_secs_f64() / seconds;
    let document = || {
        let programs: Vec<Value> = counted
            .iter()
            .map(|counted| {
                json!({
                    "id": counted.program.id(),
                    "name": counted.program.name(),
                    "type": counted.program.type_name(),
                    "runs": counted.runs,
                    "time_ns": u64::try_from(counted.time.as_nanos()).ok(),
                    "ns_per_run": u64::try_from(each(counted)).ok(),
                    "cpu_percent": share(counted),
                })
            })
            .collect();
        json!({ "seconds": span.as_secs_f64(), "programs": programs })
    };
    args.format.print(out, document, |out| {
        if counted.is_empty() {
            say!(out, "no programs are loaded")?;
        }
        let rows = counted.iter().map(|counted| {
            [
                counted.program.id().to_string(),
                counted.program.type_name(),
                counted.program.name(),
                output::grouped((counted.runs as f64 / seconds).round() as u64),
                output::grouped(u64::try_from(each(counted)).unwrap_or(u64::MAX)),
                format!("{:.2}", share(counted)),
            ]
        });
        out.table(
            ["id", "type", "name", "runs/s", "ns/run", "% of a CPU"],
            rows,
        )
    })
}
