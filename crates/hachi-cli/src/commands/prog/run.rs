//! `hachi prog run`: a loaded program on data that is given.

use std::path::PathBuf;
use std::time::Duration;

use hachi::programs::{ProgramInfo, ProgramType, TestRun, TestRunOptions};
use serde_json::{Value, json};

use crate::capture::{self, Writer};
use crate::failure::{Failure, Result};
use crate::output::{self, Format, Output, bold, say};
use crate::{select, value};

/// Run a loaded program on a packet, a context or a capture, without an event
///
/// The program really runs in this kernel: what it does to its maps, it does. Its verdict on a
/// packet is not carried out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi prog run firewall --pcap in.pcap --write out.pcap
  hachi prog run firewall --data 'ff ff ff ff ff ff 02 00 00 00 00 01 08 00' --repeat 1000000
  hachi prog run 31 --data-file packet.bin --json")]
pub struct Args {
    /// Its id, its name, its tag, or where it is pinned
    #[arg(value_name = "PROGRAM")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::programs))]
    program: String,
    /// The packet or other data, in hexadecimal
    #[arg(long, value_name = "BYTES", group = "input")]
    data: Option<String>,
    /// The packet or other data: a file
    #[arg(long, value_name = "FILE", group = "input")]
    data_file: Option<PathBuf>,
    /// Run on each packet of a capture in pcap format, of Ethernet frames
    #[arg(long, value_name = "FILE", group = "input")]
    pcap: Option<PathBuf>,
    /// Write the packets that the program lets through, as it leaves them
    #[arg(long, value_name = "FILE", requires = "pcap")]
    write: Option<PathBuf>,
    /// The context struct, in hexadecimal, in the layout of the kernel's header
    #[arg(long, value_name = "BYTES")]
    context: Option<String>,
    /// How often to run on each; the time is the mean
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: u32,
    #[command(flatten)]
    format: Format,
}

/// More than the largest packet that the kernel takes.
const ROOM: usize = 1 << 18;

pub fn run(args: Args, out: &mut Output) -> Result {
    let program = select::program(&args.program)?;
    let context = args.context.as_deref().map(bytes).transpose()?;
    if let Some(path) = &args.pcap {
        return run_capture(&program, path, &args, context.as_deref(), out);
    }
    let data = match (&args.data, &args.data_file) {
        (Some(text), _) => Some(bytes(text)?),
        (_, Some(path)) => Some(hachi_linker::read_file(path).map_err(|error| {
            Failure::because(format_args!("reading {}", path.display()), &error)
        })?),
        _ => None,
    };
    let result = run_once(&program, data.as_deref(), context.as_deref(), args.repeat)?;
    let verdict = verdict(&program, result.return_value);
    let document = || {
        json!({
            "program": { "id": program.id(), "name": program.name() },
            "return_value": result.return_value,
            "verdict": verdict,
            "ns_per_run": u64::try_from(result.duration.as_nanos()).ok(),
            "repeat": args.repeat,
            "data": value::hex(&result.data),
            "context": value::hex(&result.context),
        })
    };
    args.format.print(out, document, |out| {
        let returned = match verdict {
            Some(verdict) => format!("{verdict} ({})", result.return_value),
            None => result.return_value.to_string(),
        };
        say!(out, bold(program.name()), ": returned ", returned)?;
        if args.repeat > 1 {
            let times = output::grouped(args.repeat.into());
            say!(
                out,
                format_args!("{times} runs, {} ns each", result.duration.as_nanos())
            )?;
        }
        match &data {
            Some(data) if *data != result.data && !result.data.is_empty() => {
                say!(out, "data afterwards: ", value::hex(&result.data))
            }
            _ => Ok(()),
        }
    })
}

fn bytes(text: &str) -> Result<Vec<u8>> {
    value::bytes(text).map_err(|why| Failure::usage(format_args!("{text}: {why}")))
}

fn run_once(
    program: &ProgramInfo,
    data: Option<&[u8]>,
    context: Option<&[u8]>,
    repeat: u32,
) -> Result<TestRun> {
    let mut options = TestRunOptions::new().repeat(repeat);
    // Programs that take no data refuse room for it.
    if let Some(data) = data {
        options = options.data(data).data_out(data.len() + ROOM);
    }
    if let Some(context) = context {
        options = options.context(context);
        if program.program_type() != Some(ProgramType::Syscall) && data.is_some() {
            options = options.context_out(context.len());
        }
    }
    program.test_run(&options).map_err(|error| {
        let failure = Failure::because("", &error);
        match data {
            None => {
                failure.help("many types of programs need --data: a packet of 14 bytes or more")
            }
            Some(_) => failure,
        }
    })
}

/// What a return value means to the kernel.
fn verdict(program: &ProgramInfo, value: u32) -> Option<&'static str> {
    program.program_type()?.verdict(value)
}

/// Whether a packet goes on after that verdict.
fn passes(verdict: Option<&str>, value: u32) -> bool {
    match verdict {
        Some(name) => !matches!(
            name,
            "XDP_ABORTED" | "XDP_DROP" | "TC_ACT_SHOT" | "TC_ACT_STOLEN" | "TC_ACT_QUEUED"
        ),
        None => value != 0,
    }
}

fn run_capture(
    program: &ProgramInfo,
    path: &std::path::Path,
    args: &Args,
    context: Option<&[u8]>,
    out: &mut Output,
) -> Result {
    let packets = capture::read(path)?;
    let mut writer = match &args.write {
        Some(to) => Some(Writer::new(to)?),
        None => None,
    };
    let mut verdicts: std::collections::BTreeMap<u32, u64> = Default::default();
    let (mut time, mut written) = (Duration::ZERO, 0_u64);
    for (at, packet) in packets.iter().enumerate() {
        let result =
            run_once(program, Some(&packet.bytes), context, args.repeat).map_err(|failure| {
                Failure {
                    message: format!("packet {}: {}", at + 1, failure.message),
                    ..failure
                }
            })?;
        *verdicts.entry(result.return_value).or_default() += 1;
        time += result.duration;
        let name = verdict(program, result.return_value);
        if let Some(writer) = &mut writer
            && passes(name, result.return_value)
        {
            writer.packet(packet.time, &result.data)?;
            written += 1;
        }
    }
    if let Some(writer) = writer {
        writer.finish()?;
    }
    let mean = time.as_nanos() / packets.len().max(1) as u128;
    let document = || {
        let verdicts: Vec<Value> = verdicts
            .iter()
            .map(|(value, count)| {
                json!({
                    "return_value": value,
                    "verdict": verdict(program, *value),
                    "packets": count,
                })
            })
            .collect();
        json!({
            "program": { "id": program.id(), "name": program.name() },
            "packets": packets.len(),
            "written": args.write.is_some().then_some(written),
            "ns_per_run": u64::try_from(mean).ok(),
            "verdicts": verdicts,
        })
    };
    args.format.print(out, document, |out| {
        let count = output::count(packets.len(), "packet");
        say!(
            out,
            bold(program.name()),
            format_args!(": {count}, {mean} ns each")
        )?;
        let rows = verdicts.iter().map(|(value, count)| {
            let name = verdict(program, *value).map_or_else(|| value.to_string(), str::to_owned);
            [name, output::grouped(*count)]
        });
        out.table(["verdict", "packets"], rows)?;
        match args.write {
            Some(_) => say!(out, output::grouped(written), " written"),
            None => Ok(()),
        }
    })
}
