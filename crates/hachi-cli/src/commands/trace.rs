//! `hachi trace`: what programs print, as they print it.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hachi::programs::{ProgramInfo, ProgramStream};
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::output::{BOLD, DIM, Output, Text, WARN, say};
use crate::sys::{self, Signals, Waited};
use crate::{select, usage};

/// Print what programs write with bpf_printk and to their streams, until Ctrl-C
///
/// The pipe is one for the whole machine: a line is read by one reader only. Streams need
/// Linux ≥ 6.17.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi trace
  hachi trace --grep dropped --duration 10
  hachi trace --comm curl --json
  hachi trace --program allocator")]
pub struct Args {
    /// Only lines that contain this
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only lines of processes of this name
    #[arg(long, value_name = "NAME")]
    comm: Option<String>,
    /// Only lines of this process
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Also all other events that are traced, not only what programs print
    #[arg(long)]
    all: bool,
    /// Print the streams of these programs instead, by id, name, tag or pin
    #[arg(long, value_name = "PROGRAM")]
    program: Vec<String>,
    /// End after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = usage::seconds)]
    duration: Option<Duration>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Where the pipe is: tracefs has a place of its own since Linux 4.1.
const PIPES: [&str; 2] = [
    "/sys/kernel/tracing/trace_pipe",
    "/sys/kernel/debug/tracing/trace_pipe",
];

/// How often streams are read.
const PAUSE: Duration = Duration::from_millis(100);

pub fn run(args: Args, out: &mut Output) -> Result {
    let failed = |error| Failure::because("waiting for signals", &error);
    let signals = Arc::new(Signals::take(&sys::ENDING).map_err(failed)?);
    out.heed(Arc::clone(&signals));
    match args.program.is_empty() {
        true => pipe(&args, &signals, out),
        false => streams(&args, &signals, out),
    }
}

fn left(args: &Args, start: Instant) -> Option<Duration> {
    args.duration.map(|all| all.saturating_sub(start.elapsed()))
}

fn pipe(args: &Args, signals: &Signals, out: &mut Output) -> Result {
    let mut refused = None;
    let open = PIPES.iter().find_map(|path| {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(Path::new(path));
        opened
            .map_err(|error| refused.get_or_insert((path, error)).0)
            .ok()
    });
    let Some(mut pipe) = open else {
        return Err(match refused {
            Some((path, error)) if error.kind() == std::io::ErrorKind::NotFound => {
                Failure::missing(format_args!("there is no {path}"))
                    .help("mount -t tracefs tracefs /sys/kernel/tracing")
            }
            Some((path, error)) => Failure::because(format_args!("opening {path}"), &error)
                .help("it is root's; try it with sudo"),
            None => Failure::missing("there is no trace pipe"),
        });
    };
    let start = Instant::now();
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let waiting = |error| Failure::because("waiting for the trace pipe", &error);
        let waited = sys::wait_for_data(signals, &[pipe.as_fd()], left(args, start));
        match waited.map_err(waiting)? {
            Waited::Ready => {}
            Waited::Signal | Waited::TimeOver => return Ok(()),
        }
        match pipe.read(&mut buffer) {
            Ok(read) => kept.extend(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(Failure::because("reading the trace pipe", &error)),
        }
        let end = kept
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        for line in String::from_utf8_lossy(&kept[..end]).lines() {
            show(&Line::parse(line), args, out)?;
        }
        kept.drain(..end);
        out.flush()?;
    }
}

/// A line of the pipe: `curl-1234  [001] b..21  26869.123456: bpf_trace_printk: dropped 3`.
#[derive(Debug, PartialEq)]
struct Line<'l> {
    comm: &'l str,
    pid: Option<u32>,
    cpu: Option<u32>,
    seconds: Option<f64>,
    event: &'l str,
    text: &'l str,
}

impl<'l> Line<'l> {
    /// A line of another form is all text.
    fn parse(line: &'l str) -> Line<'l> {
        Line::parse_whole(line).unwrap_or(Line {
            comm: "",
            pid: None,
            cpu: None,
            seconds: None,
            event: "",
            text: line,
        })
    }

    fn parse_whole(line: &'l str) -> Option<Line<'l>> {
        // Names of processes may hold anything, brackets and dashes too.
        let (task, rest) = line
            .split_once(" [")
            .map(|(task, rest)| (task.trim(), rest))?;
        let (comm, pid) = task.rsplit_once('-')?;
        let (cpu, rest) = rest.split_once(']')?;
        let (before, rest) = rest.split_once(": ")?;
        let seconds = before.split_ascii_whitespace().next_back()?;
        let (event, text) = rest.split_once(": ").unwrap_or(("", rest));
        Some(Line {
            comm,
            pid: Some(
                pid.trim_end_matches(|c: char| !c.is_ascii_digit())
                    .parse()
                    .ok()?,
            ),
            cpu: cpu.parse().ok(),
            seconds: seconds.parse().ok(),
            event,
            text,
        })
    }
}

fn show(line: &Line<'_>, args: &Args, out: &mut Output) -> Result {
    let wanted = (args.all || line.event == "bpf_trace_printk" || line.event.is_empty())
        && args
            .grep
            .as_deref()
            .is_none_or(|text| line.text.contains(text))
        && args.comm.as_deref().is_none_or(|comm| line.comm == comm)
        && args.pid.is_none_or(|pid| line.pid == Some(pid));
    if !wanted {
        return Ok(());
    }
    if args.json {
        return out.json_line(&json!({
            "type": "trace",
            "comm": line.comm,
            "pid": line.pid,
            "cpu": line.cpu,
            "seconds": line.seconds,
            "event": line.event,
            "text": line.text,
        }));
    }
    let (Some(pid), Some(seconds)) = (line.pid, line.seconds) else {
        return say!(out, line.text);
    };
    let mut text = Text::default()
        .and_in(DIM, format_args!("{seconds:.6} "))
        .and_in(BOLD, format_args!("{}({pid})", line.comm));
    if line.event != "bpf_trace_printk" {
        text = text.and_in(WARN, format_args!(" {}", line.event));
    }
    say!(out, text.and(": ").and(line.text))
}

fn streams(args: &Args, signals: &Signals, out: &mut Output) -> Result {
    let programs: Vec<ProgramInfo> = args
        .program
        .iter()
        .map(|wanted| select::program(wanted))
        .collect::<Result<_>>()?;
    let start = Instant::now();
    loop {
        for program in &programs {
            for (stream, name) in [
                (ProgramStream::Output, "output"),
                (ProgramStream::Errors, "errors"),
            ] {
                let bytes = program
                    .read_stream(stream)
                    .map_err(|error| Failure::because("", &error))?;
                let text = String::from_utf8_lossy(&bytes);
                for line in text.lines() {
                    if args
                        .grep
                        .as_deref()
                        .is_some_and(|wanted| !line.contains(wanted))
                    {
                        continue;
                    }
                    match args.json {
                        true => out.json_line(&json!({
                            "type": "stream",
                            "program_id": program.id(),
                            "program": program.name(),
                            "stream": name,
                            "text": line,
                        }))?,
                        false => {
                            let style = if name == "errors" { WARN } else { BOLD };
                            say!(
                                out,
                                Text::default()
                                    .and_in(style, program.name())
                                    .and(": ")
                                    .and(line)
                            )?;
                        }
                    }
                }
            }
        }
        out.flush()?;
        let pause = left(args, start).map_or(PAUSE, |left| left.min(PAUSE));
        let waiting = |error| Failure::because("waiting for signals", &error);
        let waited = sys::wait_for_data(signals, &[], Some(pause)).map_err(waiting)?;
        let is_over = args.duration.is_some_and(|all| start.elapsed() >= all);
        if waited == Waited::Signal || is_over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_pipe_are_taken_apart() {
        let line = "     a [b]-c-1234    [001] b..21 26869.123456: bpf_trace_printk: dropped: 3";
        let parsed =
            Line::parse("  curl-1234    [001] b..21 26869.5: bpf_trace_printk: dropped: 3");
        assert_eq!(
            parsed,
            Line {
                comm: "curl",
                pid: Some(1234),
                cpu: Some(1),
                seconds: Some(26869.5),
                event: "bpf_trace_printk",
                text: "dropped: 3",
            }
        );
        // Lines that cannot be split are shown whole.
        assert_eq!(Line::parse(line).text, line);
        assert_eq!(
            Line::parse("CPU:1 [LOST 3 EVENTS]").text,
            "CPU:1 [LOST 3 EVENTS]"
        );
        assert_eq!(Line::parse("").text, "");
    }
}
