//! `hachi prog profile`: what the processor counts while a program runs.

mod code;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hachi::maps::{Map, MapData, PerfEventArray};
use hachi::programs::{
    FEntry, FExit, HardwareEvent, HwCacheEvent, HwCacheOp, HwCacheResult, PerfEventConfig,
    ProgramInfo, SoftwareEvent,
};
use hachi::{Ebpf, EbpfLoader, util};
use serde_json::{Value, json};

use self::code::{ENTERED, EVENTS, LEFT, MOST, READING, RUNS, SUMS};
use crate::failure::{Failure, Result};
use crate::output::{self, Format, Output, say};
use crate::sys::{self, Signals};
use crate::{select, usage};

/// Count cycles, instructions, cache misses and the like while a program runs
///
/// Brackets the program with fentry and fexit, and reads the processor's counters in both. The
/// program must have BTF; Linux ≥ 5.6. What entry and exit cost themselves is counted in part.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi prog profile firewall
  hachi prog profile 31 cycles instructions llc-misses --duration 10
  hachi prog profile 31 task-clock page-faults --json    # without hardware counters, too")]
pub struct Args {
    /// Its id, its name, its tag, or where it is pinned
    #[arg(value_name = "PROGRAM")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::programs))]
    program: String,
    /// What to count, at most 8
    #[arg(value_enum, value_name = "METRIC", default_values = ["cycles", "instructions"])]
    metrics: Vec<Metric>,
    /// How many seconds to count
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = usage::seconds)]
    duration: Duration,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Metric {
    /// Cycles of the processor
    Cycles,
    /// Instructions of the processor
    Instructions,
    /// Looks into the caches
    CacheReferences,
    /// Looks that no cache answered
    CacheMisses,
    /// Branches that were guessed wrongly
    BranchMisses,
    /// Reads that the last cache did not answer
    LlcMisses,
    /// Reads whose address was not in the data TLB
    DtlbMisses,
    /// Instructions whose address was not in the instruction TLB
    ItlbMisses,
    /// Time on the CPU in ns; counted by the kernel
    TaskClock,
    /// Page faults; counted by the kernel
    PageFaults,
    /// Switches between tasks; counted by the kernel
    ContextSwitches,
}

/// Reads that a cache did not answer.
const fn read_misses(event: HwCacheEvent) -> PerfEventConfig {
    PerfEventConfig::HwCache {
        event,
        operation: HwCacheOp::Read,
        result: HwCacheResult::Miss,
    }
}

impl Metric {
    fn event(self) -> PerfEventConfig {
        use PerfEventConfig::{Hardware, Software};
        match self {
            Metric::Cycles => Hardware(HardwareEvent::CpuCycles),
            Metric::Instructions => Hardware(HardwareEvent::Instructions),
            Metric::CacheReferences => Hardware(HardwareEvent::CacheReferences),
            Metric::CacheMisses => Hardware(HardwareEvent::CacheMisses),
            Metric::BranchMisses => Hardware(HardwareEvent::BranchMisses),
            Metric::LlcMisses => read_misses(HwCacheEvent::Ll),
            Metric::DtlbMisses => read_misses(HwCacheEvent::Dtlb),
            Metric::ItlbMisses => read_misses(HwCacheEvent::Itlb),
            Metric::TaskClock => Software(SoftwareEvent::TaskClock),
            Metric::PageFaults => Software(SoftwareEvent::PageFaults),
            Metric::ContextSwitches => Software(SoftwareEvent::ContextSwitches),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Metric::Cycles => "cycles",
            Metric::Instructions => "instructions",
            Metric::CacheReferences => "cache-references",
            Metric::CacheMisses => "cache-misses",
            Metric::BranchMisses => "branch-misses",
            Metric::LlcMisses => "llc-misses",
            Metric::DtlbMisses => "dtlb-misses",
            Metric::ItlbMisses => "itlb-misses",
            Metric::TaskClock => "task-clock",
            Metric::PageFaults => "page-faults",
            Metric::ContextSwitches => "context-switches",
        }
    }
}

/// A metric's sum over all CPUs and runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reading {
    count: u64,
    enabled: u64,
    running: u64,
}

impl Reading {
    /// The count as if the counter had always run: counters take turns when there are more events
    /// than counters.
    fn scaled(self) -> u64 {
        match self.running {
            0 => self.count,
            running => {
                let scaled = u128::from(self.count) * u128::from(self.enabled);
                u64::try_from(scaled / u128::from(running)).unwrap_or(u64::MAX)
            }
        }
    }
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let mut metrics: Vec<Metric> = Vec::new();
    for metric in &args.metrics {
        if !metrics.contains(metric) {
            metrics.push(*metric);
        }
    }
    if metrics.len() > MOST as usize {
        return Err(Failure::usage(format_args!(
            "at most {MOST} metrics are counted at once"
        )));
    }
    let program = select::program(&args.program)?;
    let signals = Signals::take(&sys::ENDING)
        .map_err(|error| Failure::because("waiting for signals", &error))?;
    let signals = Arc::new(signals);
    out.heed(Arc::clone(&signals));
    // The events last as long as they are held.
    let (mut ebpf, _events) = prepare(&metrics)?;
    bracket(&mut ebpf, &program)?;
    let start = Instant::now();
    // A signal ends the count, and what was counted is shown.
    sys::wait_for_data(&signals, &[], Some(args.duration))
        .map_err(|error| Failure::because("waiting for signals", &error))?;
    let span = start.elapsed();
    let runs = words(data(&ebpf, RUNS)?, 0)?.iter().sum::<u64>();
    let mut readings = Vec::new();
    for (at, metric) in metrics.iter().enumerate() {
        readings.push((*metric, reading(data(&ebpf, SUMS)?, at as u32)?));
    }
    drop(ebpf);
    let each = |count: u64| count as f64 / runs.max(1) as f64;
    let document = || {
        let metrics = readings.iter().map(|(metric, reading)| {
            json!({
                "name": metric.name(),
                "count": reading.scaled(),
                "per_run": (runs > 0).then(|| each(reading.scaled())),
                "counted_share": match reading.enabled {
                    0 => None,
                    enabled => Some(reading.running as f64 / enabled as f64),
                },
            })
        });
        json!({
            "program": { "id": program.id(), "name": program.name() },
            "seconds": span.as_secs_f64(),
            "runs": runs,
            "metrics": metrics.collect::<Vec<Value>>(),
        })
    };
    args.format.print(out, document, |out| {
        let ran = output::grouped(runs);
        let span = span.as_secs_f64();
        say!(
            out,
            program.name(),
            format_args!(" ran {ran} times in {span:.1} s")
        )?;
        if runs == 0 {
            return Ok(());
        }
        let rows = readings.iter().map(|(metric, reading)| {
            let count = reading.scaled();
            [
                metric.name().to_owned(),
                output::grouped(count),
                format!("{:.1}", each(count)),
                note(*metric, count, &readings),
            ]
        });
        out.table(["metric", "count", "per run", ""], rows)
    })
}

/// What two metrics say together.
fn note(metric: Metric, count: u64, readings: &[(Metric, Reading)]) -> String {
    let of = |wanted| {
        let mut found = readings.iter().filter(|(metric, _)| *metric == wanted);
        found
            .next()
            .map(|(_, reading)| reading.scaled())
            .filter(|count| *count > 0)
    };
    match (metric, of(Metric::Cycles), of(Metric::CacheReferences)) {
        (Metric::Instructions, Some(cycles), _) => {
            format!("{:.2} per cycle", count as f64 / cycles as f64)
        }
        (Metric::CacheMisses, _, Some(all)) => {
            format!(
                "{:.1} % of the references",
                100.0 * count as f64 / all as f64
            )
        }
        _ => String::new(),
    }
}

/// The programs with their events, not loaded yet.
fn prepare(metrics: &[Metric]) -> Result<(Ebpf, Vec<OwnedFd>)> {
    let failed = |error| Failure::because("counting CPUs", &error);
    let cpus = u32::try_from(util::nr_cpus().map_err(failed)?).unwrap_or(u32::MAX);
    let mut events = Vec::new();
    for (at, metric) in (0..).zip(metrics) {
        for cpu in 0..cpus {
            if let Some(event) = open(*metric, cpu)? {
                events.push((at * cpus + cpu, event));
            }
        }
    }
    let spec = code::spec(metrics.len() as u32, cpus);
    let mut ebpf = EbpfLoader::new()
        .load_spec(spec)
        .map_err(|error| Failure::because("", &error))?;
    let map = ebpf
        .map_mut(EVENTS)
        .map_err(|error| Failure::because("", &error))?;
    let mut array = PerfEventArray::try_from(map).map_err(|error| Failure::because("", &error))?;
    for (index, event) in &events {
        array
            .set(*index, event, 0)
            .map_err(|error| Failure::because("", &error))?;
    }
    Ok((ebpf, events.into_iter().map(|(_, event)| event).collect()))
}

/// The counter of a metric on a CPU; `None` if that CPU is offline.
fn open(metric: Metric, cpu: u32) -> Result<Option<OwnedFd>> {
    let event = metric.event();
    let error = match event.open_counter(cpu) {
        Ok(counter) => return Ok(Some(counter)),
        Err(error) => error,
    };
    let is_kernels = matches!(event, PerfEventConfig::Software(_));
    let name = metric.name();
    match error.errno() {
        libc::ENODEV => Ok(None),
        libc::ENOENT | libc::EOPNOTSUPP | libc::EINVAL if !is_kernels => Err(Failure::missing(
            format_args!("this machine has no hardware counter for {name}"),
        )
        .help(
            "virtual machines often have none; the kernel itself counts task-clock, \
                 page-faults and context-switches",
        )),
        libc::EACCES | libc::EPERM => Err(Failure::missing(format_args!(
            "counting {name} needs CAP_PERFMON ({error})"
        ))
        .help("run it with sudo")),
        _ => Err(Failure::because(
            format_args!("opening the counter of {name}"),
            &error,
        )),
    }
}

/// Attaches both programs to the one that is measured: first what reads the end, which counts
/// nothing before a start was read.
fn bracket(ebpf: &mut Ebpf, program: &ProgramInfo) -> Result {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::because(format_args!("profiling program {}", program.name()), error)
    };
    let target = program.fd().map_err(|error| failed(&error))?;
    let code = program.code().map_err(|error| failed(&error))?;
    // The kernel's name of the program is cut to 15 bytes.
    let function = code
        .functions
        .first()
        .and_then(|function| function.name.clone());
    let Some(function) = function else {
        return Err(Failure::new(format_args!(
            "program {} was loaded without BTF, which fentry and fexit need",
            program.name()
        )));
    };
    let exit: &mut FExit = ebpf
        .program_mut(LEFT)
        .map_err(|error| failed(&error))?
        .try_into()
        .map_err(|error: hachi::programs::ProgramError| failed(&error))?;
    exit.load_for_program(&target, &function)
        .map_err(|error| failed(&error))?;
    exit.attach().map_err(|error| failed(&error))?;
    let entry: &mut FEntry = ebpf
        .program_mut(ENTERED)
        .map_err(|error| failed(&error))?
        .try_into()
        .map_err(|error: hachi::programs::ProgramError| failed(&error))?;
    entry
        .load_for_program(&target, &function)
        .map_err(|error| failed(&error))?;
    entry.attach().map_err(|error| failed(&error))?;
    Ok(())
}

fn data<'e>(ebpf: &'e Ebpf, name: &str) -> Result<&'e MapData> {
    let map = ebpf
        .map(name)
        .map_err(|error| Failure::because("", &error))?;
    Ok(Map::data(map))
}

/// An element of all CPUs, as numbers.
fn words(map: &MapData, index: u32) -> Result<Vec<u64>> {
    let bytes = map
        .lookup_bytes(&index.to_ne_bytes(), 0)
        .map_err(|error| Failure::because("", &error))?
        .unwrap_or_default();
    let words = bytes.chunks_exact(8);
    Ok(words
        .filter_map(|word| word.try_into().ok().map(u64::from_ne_bytes))
        .collect())
}

fn reading(map: &MapData, index: u32) -> Result<Reading> {
    let mut sum = Reading::default();
    for cpu in words(map, index)?.chunks_exact(READING as usize / 8) {
        sum.count += cpu[0];
        sum.enabled += cpu[1];
        sum.running += cpu[2];
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_scaled_by_the_time_that_the_counter_ran() {
        let reading = |count, enabled, running| Reading {
            count,
            enabled,
            running,
        };
        assert_eq!(reading(10, 100, 100).scaled(), 10);
        assert_eq!(reading(10, 100, 50).scaled(), 20);
        assert_eq!(reading(10, 0, 0).scaled(), 10);
        assert_eq!(reading(u64::MAX, u64::MAX, 1).scaled(), u64::MAX);
    }

    #[test]
    fn two_metrics_say_more_than_one() {
        let of = |count| Reading {
            count,
            enabled: 1,
            running: 1,
        };
        let all = [(Metric::Cycles, of(200)), (Metric::Instructions, of(100))];
        assert_eq!(note(Metric::Instructions, 100, &all), "0.50 per cycle");
        assert_eq!(note(Metric::Cycles, 200, &all), "");
        assert_eq!(note(Metric::CacheMisses, 1, &all), "");
    }

    #[test]
    fn metrics_have_the_names_that_are_typed() {
        use clap::ValueEnum as _;
        for metric in Metric::value_variants() {
            let typed = metric.to_possible_value().unwrap();
            assert_eq!(typed.get_name(), metric.name());
        }
    }
}
