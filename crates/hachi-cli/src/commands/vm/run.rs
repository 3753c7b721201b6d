//! `hachi vm run`: an object's program over the packets of a capture.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hachi_btf::{Btf, OwnedBtf};
use hachi_obj::{DataKind, MapSpec, ProgramSpec, ProgramType, Spec};
use hachi_vm::{Config, Input, Stopped, Vm};
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};
use serde_json::{Value, json};

use super::entries;
use crate::commands::build::BuildOptions;
use crate::commands::run::{resolve, set_global};
use crate::failure::{Failure, Result};
use crate::object::{self, Object};
use crate::output::{self, Format, Output, bold, dim, path_text, say};
use crate::value;

/// Run a program over the packets of a capture
///
/// The maps are as the object makes them, and keep what the program puts in from one packet to the
/// next; at the end they are printed. A packet at which the program does something that the kernel
/// would not allow is reported with the line of its source, and the command exits with 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi vm run firewall.o --pcap in.pcap
  hachi vm run firewall-ebpf --pcap in.pcap --write out.pcap --set LOG_DROPS=1
  hachi vm run firewall.o --pcap in.pcap --map BLOCKLIST=blocked.json --json")]
pub struct Args {
    /// An object, a package or a .rs file
    #[arg(value_name = "OBJECT|PATH")]
    target: PathBuf,
    /// The packets: a capture in pcap format, of Ethernet frames
    #[arg(long, value_name = "FILE")]
    pcap: PathBuf,
    /// Write the packets that the program lets through, as it leaves them
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// The program, by name or section, if the object has several
    #[arg(short, long, value_name = "NAME")]
    program: Option<String>,
    /// Fill a map first, from a JSON list of objects with `key` and `value`
    #[arg(long, value_name = "NAME=FILE")]
    map: Vec<String>,
    /// Set a global of the program first
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// The kernel's types, for programs that ask about them: a BTF file
    #[arg(long, value_name = "FILE")]
    btf: Option<PathBuf>,
    /// How many CPUs the machine has
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=4096))]
    cpus: u32,
    #[command(flatten, next_help_heading = "Options for building")]
    build: BuildOptions,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let mut object = object::open(&resolve(&args.target, &args.build)?)?;
    let (header, packets) = read_capture(&args.pcap)?;
    for setting in &args.set {
        set_global(&mut object, setting)?;
    }
    let program = choose(&object, args.program.as_deref())?;
    let (name, program_type) = (program.name.clone(), program.program_type);
    let mut config = Config::default();
    config.cpus = args.cpus;
    config.types = args.btf.as_deref().map(read_types).transpose()?;
    // The other programs need not make sense to the machine.
    let mut spec = object.spec.clone();
    spec.programs
        .retain(|of| of.name == name || is_tail(&object.spec, &of.name));
    let shown = object.path.display().to_string();
    let mut vm = Vm::new(&spec, &config).map_err(|error| Failure::because(&shown, &error))?;
    for filled in &args.map {
        fill(&mut vm, &spec, filled)?;
    }
    let mut writer = args
        .write
        .as_deref()
        .map(|to| Writer::new(to, header))
        .transpose()?;
    let mut counts = Counts::default();
    let mut first = None;
    let start = Instant::now();
    for packet in &packets {
        match vm.run(&name, &Input::new(&packet.data)) {
            Ok(output) => {
                counts.add(program_type, output.result);
                counts.instructions += output.instructions;
                if let Some(writer) = &mut writer
                    && passes(program_type, output.result)
                {
                    writer.packet(packet.timestamp, &output.bytes)?;
                }
            }
            Err(stopped) => {
                counts.faults += 1;
                first.get_or_insert(stopped);
            }
        }
    }
    counts.time = start.elapsed();
    if let Some(writer) = writer {
        writer.finish()?;
    }
    let fault = first.as_deref();
    let maps = dump(&vm, &spec)?;
    let document = || {
        to_json(
            &args,
            &name,
            program_type,
            packets.len(),
            &counts,
            fault,
            &maps,
        )
    };
    args.format.print(out, document, |out| {
        show(&name, packets.len(), &counts, &maps, out)
    })?;
    match fault {
        None => Ok(()),
        Some(stopped) => {
            out.diagnostic(&stopped.diagnostic())?;
            let packets = output::count(counts.faults, "packet");
            Err(Failure::new(format!("program {name} stopped at {packets}")))
        }
    }
}

/// Whether a map of programs holds it from the start.
fn is_tail(spec: &Spec, program: &str) -> bool {
    let mut entries = spec.maps.iter().flat_map(|map| &map.entries);
    entries.any(|entry| entry.target == program)
}

/// The program to run: the only one that takes packets, unless one is named.
fn choose<'o>(object: &'o Object, named: Option<&str>) -> Result<&'o ProgramSpec> {
    let shown = object.path.display();
    if let Some(name) = named {
        let program = object.spec.program(name);
        let program = program.map_err(|error| Failure::because(shown, &error))?;
        return match takes_packets(program.program_type) {
            true => Ok(program),
            false => Err(Failure::new(format!(
                "program {} is of type {}, which takes no packets",
                program.name,
                program.program_type.name()
            ))),
        };
    }
    let programs = object.spec.programs.iter();
    let found: Vec<&ProgramSpec> = programs
        .filter(|program| takes_packets(program.program_type))
        .collect();
    match found[..] {
        [program] => Ok(program),
        [] => Err(
            Failure::new(format!("{shown} has no program that takes packets"))
                .help("`hachi inspect` lists what an object has"),
        ),
        _ => {
            let names: Vec<&str> = found.iter().map(|program| program.name.as_str()).collect();
            Err(
                Failure::usage(format!("{shown} has several programs that take packets"))
                    .help(format!("choose one with --program: {}", names.join(", "))),
            )
        }
    }
}

fn takes_packets(program_type: ProgramType) -> bool {
    matches!(
        program_type,
        ProgramType::Xdp
            | ProgramType::SchedCls
            | ProgramType::SchedAct
            | ProgramType::CgroupSkb
            | ProgramType::SocketFilter
    )
}

/// The name of a verdict.
fn verdict(program_type: ProgramType, result: u32) -> Cow<'static, str> {
    let name = match (program_type, result) {
        (ProgramType::Xdp, 0) => "aborted",
        (ProgramType::Xdp, 1) => "drop",
        (ProgramType::Xdp, 2) => "pass",
        (ProgramType::Xdp, 3) => "tx",
        (ProgramType::Xdp, 4) => "redirect",
        (ProgramType::SchedCls | ProgramType::SchedAct, 0) => "ok",
        (ProgramType::SchedCls | ProgramType::SchedAct, 1) => "reclassify",
        (ProgramType::SchedCls | ProgramType::SchedAct, 2) => "shot",
        (ProgramType::SchedCls | ProgramType::SchedAct, 3) => "pipe",
        (ProgramType::SchedCls | ProgramType::SchedAct, 4) => "stolen",
        (ProgramType::SchedCls | ProgramType::SchedAct, 5) => "queued",
        (ProgramType::SchedCls | ProgramType::SchedAct, 6) => "repeat",
        (ProgramType::SchedCls | ProgramType::SchedAct, 7) => "redirect",
        (ProgramType::SchedCls | ProgramType::SchedAct, 8) => "trap",
        (ProgramType::SchedCls | ProgramType::SchedAct, u32::MAX) => "unspec",
        (ProgramType::CgroupSkb, 0) => "refuse",
        (ProgramType::CgroupSkb, 1) => "allow",
        (ProgramType::SocketFilter, 0) => "drop",
        (ProgramType::SocketFilter, _) => "keep",
        (_, result) => return Cow::Owned(result.to_string()),
    };
    Cow::Borrowed(name)
}

/// Whether a packet with this verdict goes on.
fn passes(program_type: ProgramType, result: u32) -> bool {
    match program_type {
        ProgramType::Xdp => matches!(result, 2..=4),
        ProgramType::SchedCls | ProgramType::SchedAct => !matches!(result, 2 | 4 | 5 | 8),
        _ => result != 0,
    }
}

/// The results, counted.
#[derive(Default)]
struct Counts {
    verdicts: BTreeMap<Cow<'static, str>, usize>,
    faults: usize,
    instructions: u64,
    time: Duration,
}

impl Counts {
    fn add(&mut self, program_type: ProgramType, result: u32) {
        *self
            .verdicts
            .entry(verdict(program_type, result))
            .or_default() += 1;
    }

    fn per_second(&self, packets: usize) -> u64 {
        (packets as f64 / self.time.as_secs_f64().max(1e-9)) as u64
    }
}

/// The packets of a capture, each with its time.
fn read_capture(path: &Path) -> Result<(PcapHeader, Vec<PcapPacket<'static>>)> {
    let shown = path.display();
    let because = |error: &(dyn std::error::Error + 'static)| {
        Failure::because(format!("reading capture {shown}"), error)
    };
    let bytes = hachi_linker::read_file(path).map_err(|error| because(&error))?;
    let mut reader = PcapReader::new(Cursor::new(bytes)).map_err(|error| because(&error))?;
    let header = reader.header();
    if header.datalink != DataLink::ETHERNET {
        let kind = u32::from(header.datalink);
        return Err(Failure::new(format!(
            "reading capture {shown}: its packets have link type {kind}, not Ethernet (1)"
        )));
    }
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.map_err(|error| {
            let which = packets.len() + 1;
            Failure::because(format!("reading capture {shown}, packet {which}"), &error)
        })?;
        packets.push(packet.into_owned());
    }
    Ok((header, packets))
}

/// A capture that is written. It is there once it is whole.
struct Writer {
    path: PathBuf,
    writer: PcapWriter<std::io::BufWriter<tempfile::NamedTempFile>>,
}

impl Writer {
    fn new(path: &Path, header: PcapHeader) -> Result<Writer> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Failure::because(format!("writing capture {}", path.display()), error)
        };
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = tempfile::NamedTempFile::new_in(directory).map_err(|error| failed(&error))?;
        let file = std::io::BufWriter::new(file);
        // What a program adds to a packet may go beyond the length that the capture was cut to.
        let header = PcapHeader {
            snaplen: 0x4_0000,
            ..header
        };
        let writer = PcapWriter::with_header(file, header).map_err(|error| failed(&error))?;
        Ok(Writer {
            path: path.to_path_buf(),
            writer,
        })
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        Failure::because(format!("writing capture {}", self.path.display()), error)
    }

    fn packet(&mut self, timestamp: Duration, bytes: &[u8]) -> Result {
        let packet = PcapPacket::new(timestamp, bytes.len() as u32, bytes);
        let written = self.writer.write_packet(&packet);
        written.map_err(|error| self.failed(&error)).map(|_| ())
    }

    fn finish(self) -> Result {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Failure::because(format!("writing capture {}", self.path.display()), error)
        };
        let mut buffer = self.writer.into_writer();
        buffer.flush().map_err(|error| failed(&error))?;
        let file = buffer.into_inner().map_err(|error| failed(error.error()))?;
        file.persist(&self.path)
            .map_err(|error| failed(&error.error))?;
        Ok(())
    }
}

fn read_types(path: &Path) -> Result<OwnedBtf> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::because(format!("reading types from {}", path.display()), error)
    };
    let bytes = hachi_linker::read_file(path).map_err(|error| failed(&error))?;
    OwnedBtf::parse(bytes).map_err(|error| failed(&error))
}

/// Fills a map from a file: `NAME=FILE`.
fn fill(vm: &mut Vm, spec: &Spec, argument: &str) -> Result {
    let (name, file) = argument
        .split_once('=')
        .ok_or_else(|| Failure::usage(format!("--map {argument}: expected NAME=FILE")))?;
    let map = spec
        .map(name)
        .map_err(|error| Failure::because("", &error))?;
    let failed = |why: &dyn std::fmt::Display| {
        Failure::new(format!("filling map {name} from {file}: {why}"))
    };
    let bytes = hachi_linker::read_file(Path::new(file)).map_err(|error| failed(&error))?;
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| failed(&error))?;
    let types = spec.types();
    let entries = entries::read(&document, map, types.as_ref(), spec.endian);
    for (key, value) in entries.map_err(|error| failed(&error))? {
        vm.update(name, &key, &value)
            .map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// A map's entries, as they are shown.
struct Dump<'s> {
    map: &'s MapSpec,
    entries: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    types: Option<Btf<'s>>,
}

/// The maps that can be listed, without those that hold constants.
fn dump<'s>(vm: &Vm, spec: &'s Spec) -> Result<Vec<Dump<'s>>> {
    let failed = |error: hachi_vm::Error| Failure::because("reading maps", &error);
    let mut dumps = Vec::new();
    for map in &spec.maps {
        if matches!(map.data, Some(DataKind::Rodata | DataKind::Kconfig)) {
            continue;
        }
        let mut entries = Vec::new();
        for key in vm.keys(&map.name).map_err(failed)? {
            let values = vm.lookup(&map.name, &key).map_err(failed)?;
            if !values.is_empty() {
                entries.push((key, values));
            }
        }
        dumps.push(Dump {
            map,
            entries,
            types: spec.types(),
        });
    }
    Ok(dumps)
}

impl Dump<'_> {
    fn json(&self) -> Value {
        let types = self.types.as_ref();
        let key = |key: &[u8]| value::to_json(types, self.map.btf_key_type_id, key);
        let value = |value: &Vec<u8>| value::to_json(types, self.map.btf_value_type_id, value);
        let entries = self.entries.iter().map(|(of, values)| match &values[..] {
            [only] => json!({ "key": key(of), "value": value(only) }),
            values => json!({
                "key": key(of),
                "values": values.iter().map(value).collect::<Vec<_>>(),
            }),
        });
        json!({
            "name": self.map.name,
            "type": self.map.kind.name(),
            "entries": entries.collect::<Vec<_>>(),
        })
    }

    fn show(&self, out: &mut Output) -> Result {
        let types = self.types.as_ref();
        let text = |value: &Vec<u8>| value::to_text(types, self.map.btf_value_type_id, value);
        // Arrays hold zeros where nobody wrote.
        let is_zero = |values: &[Vec<u8>]| values.iter().flatten().all(|byte| *byte == 0);
        let used = self.entries.iter().filter(|(_, values)| !is_zero(values));
        let (mut shown, total) = (0, self.entries.len());
        say!(out)?;
        say!(out, bold(&self.map.name), " ", dim(self.map.kind.name()))?;
        for (key, values) in used {
            shown += 1;
            let key = value::to_text(types, self.map.btf_key_type_id, key);
            match &values[..] {
                [only] => say!(out, "  ", key, ": ", text(only))?,
                values => {
                    let texts: Vec<String> = values.iter().map(text).collect();
                    say!(out, "  ", key, ": ", texts.join(" | "))?;
                }
            }
        }
        match total - shown {
            0 => Ok(()),
            zeros => say!(out, "  ", dim(format_args!("{zeros} of zeros"))),
        }
    }
}

fn to_json(
    args: &Args,
    name: &str,
    program_type: ProgramType,
    packets: usize,
    counts: &Counts,
    fault: Option<&Stopped>,
    maps: &[Dump<'_>],
) -> Value {
    json!({
        "program": name,
        "type": program_type.name(),
        "pcap": path_text(&args.pcap),
        "packets": packets,
        "verdicts": counts.verdicts,
        "faults": counts.faults,
        "fault": fault.map(ToString::to_string),
        "instructions": counts.instructions,
        "seconds": counts.time.as_secs_f64(),
        "packets_per_second": counts.per_second(packets),
        "maps": maps.iter().map(Dump::json).collect::<Vec<_>>(),
    })
}

fn show(
    name: &str,
    packets: usize,
    counts: &Counts,
    maps: &[Dump<'_>],
    out: &mut Output,
) -> Result {
    let speed = output::grouped(counts.per_second(packets));
    let about = format!("{}, {speed} a second", output::count(packets, "packet"));
    say!(out, bold(name), ": ", about)?;
    for (verdict, count) in &counts.verdicts {
        say!(
            out,
            format_args!("  {verdict:<10} {}", output::grouped(*count as u64))
        )?;
    }
    if counts.faults > 0 {
        say!(
            out,
            format_args!(
                "  {:<10} {}",
                "stopped",
                output::grouped(counts.faults as u64)
            )
        )?;
    }
    maps.iter().try_for_each(|map| map.show(out))
}
