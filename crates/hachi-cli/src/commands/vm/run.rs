//! `hachi vm run`: an object's program over the packets of a capture.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use hachi::EbpfLoader;
use hachi_btf::{Btf, OwnedBtf};
use hachi_build::Target;
use hachi_obj::{DataKind, Endian, MapSpec, ProgramSpec, ProgramType, Spec};
use hachi_vm::{Config, Coverage, Engine, Input, Moment, Observer, Profile, Stopped, Vm};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::entries;
use crate::capture;
use crate::commands::build::BuildOptions;
use crate::commands::run::{resolve_for, set_global};
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
    #[command(flatten)]
    setup: Setup,
    /// Write the packets that the program lets through, as it leaves them, in pcap format
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Interpret the program instead of compiling it
    #[arg(long, conflicts_with = "unchecked")]
    interpret: bool,
    /// Leave out all checks: only for a program that this kernel's verifier accepts, which is asked
    /// first
    #[arg(long)]
    unchecked: bool,
    /// Write how often each source line ran, in lcov's format; the program is interpreted
    #[arg(long, value_name = "FILE", conflicts_with = "unchecked")]
    coverage: Option<PathBuf>,
    /// Write instructions by function and line, as folded stacks; the program is interpreted
    #[arg(long, value_name = "FILE", conflicts_with = "unchecked")]
    profile: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// What is run, and over what.
#[derive(Debug, clap::Args)]
pub struct Setup {
    /// An object, a package or a .rs file
    #[arg(value_name = "OBJECT|PATH")]
    pub target: PathBuf,
    /// The packets: a capture in pcap or pcapng format, of Ethernet frames
    #[arg(long, value_name = "FILE")]
    pub pcap: PathBuf,
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
    /// Run as on this machine: a package is built for it, an object must be of its byte order
    #[arg(long = "as", value_name = "MACHINE")]
    machine: Option<Machine>,
    #[command(flatten, next_help_heading = "Options for building")]
    build: BuildOptions,
}

/// A machine, ready to run.
pub struct Ready {
    pub object: Object,
    /// What of the object the machine has.
    pub spec: Spec,
    pub vm: Vm,
    /// The program.
    pub name: String,
    pub program_type: ProgramType,
    pub packets: Vec<capture::Packet>,
}

impl Setup {
    pub fn ready(&self, engine: Engine) -> Result<Ready> {
        let target = self.machine.map(Machine::target);
        let mut object = object::open(&resolve_for(&self.target, &self.build, target)?)?;
        if let Some(machine) = self.machine {
            check_machine(&object, machine)?;
        }
        let packets = capture::read(&self.pcap)?;
        for setting in &self.set {
            set_global(&mut object, setting)?;
        }
        let program = choose(&object, self.program.as_deref())?;
        let (name, program_type) = (program.name.clone(), program.program_type);
        let mut config = Config::default();
        config.engine = engine;
        config.cpus = self.cpus;
        config.types = self.btf.as_deref().map(read_types).transpose()?;
        // The other programs need not make sense to the machine.
        let mut spec = object.spec.clone();
        spec.programs
            .retain(|of| of.name == name || is_tail(&object.spec, &of.name));
        let shown = object.path.display().to_string();
        let mut vm = Vm::new(&spec, &config).map_err(|error| Failure::because(&shown, &error))?;
        for filled in &self.map {
            fill(&mut vm, &spec, filled)?;
        }
        Ok(Ready {
            object,
            spec,
            vm,
            name,
            program_type,
            packets,
        })
    }
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let Ready {
        object,
        spec,
        mut vm,
        name,
        program_type,
        packets,
    } = args.setup.ready(engine(&args)?)?;
    if args.unchecked {
        ask_kernel(&object, &spec, &name)?;
    }
    let writer = args.write.as_deref().map(capture::Writer::new);
    let mut writer = writer.transpose()?;
    let mut watch = (args.coverage.is_some() || args.profile.is_some()).then(Watch::default);
    let mut counts = Counts::default();
    let mut first = None;
    let bar = bar(packets.len());
    let start = Instant::now();
    for (at, packet) in packets.iter().enumerate() {
        if at % PER_STEP == 0 {
            bar.set_position(at as u64);
        }
        let result = match &mut watch {
            Some(watch) => vm.run_observed(&name, &Input::new(&packet.bytes), watch),
            None => run_one(&mut vm, &args, &name, &packet.bytes),
        };
        match result {
            Ok(output) => {
                counts.add(program_type, output.result);
                counts.instructions += output.instructions;
                if let Some(writer) = &mut writer
                    && passes(program_type, output.result)
                {
                    writer.packet(packet.time, &output.bytes)?;
                }
            }
            Err(stopped) => {
                counts.faults += 1;
                first.get_or_insert(stopped);
            }
        }
    }
    counts.time = start.elapsed();
    bar.finish_and_clear();
    if let Some(writer) = writer {
        writer.finish()?;
    }
    if let Some(watch) = watch {
        watch.write(&args, &vm)?;
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

/// What is looked at while packets are run.
#[derive(Default)]
struct Watch {
    counts: hachi_vm::Counts,
    profile: Profile,
}

impl Observer for Watch {
    fn step(&mut self, moment: &mut Moment<'_>) -> ControlFlow<()> {
        self.counts.step(moment)?;
        self.profile.step(moment)
    }
}

impl Watch {
    fn write(&self, args: &Args, vm: &Vm) -> Result {
        if let Some(path) = &args.coverage {
            let mut coverage = Coverage::default();
            coverage.add(vm, &self.counts);
            output::write_file(path, coverage.to_lcov().as_bytes())?;
        }
        match &args.profile {
            Some(path) => output::write_file(path, self.profile.folded().as_bytes()),
            None => Ok(()),
        }
    }
}

/// Packets from one step of the progress bar to the next.
const PER_STEP: usize = 4096;

/// A progress bar, on a terminal.
fn bar(packets: usize) -> ProgressBar {
    let style = "{bar:40} {human_pos} of {human_len} packets, {per_sec}, {eta} left";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(packets as u64).with_style(style)
}

/// What runs the program.
#[cfg(feature = "jit")]
fn engine(args: &Args) -> Result<Engine> {
    Ok(match args.interpret {
        true => Engine::Interpreter,
        false => Engine::Jit,
    })
}

#[cfg(not(feature = "jit"))]
fn engine(args: &Args) -> Result<Engine> {
    match args.unchecked {
        true => Err(
            Failure::missing("this build of hachi has no compiler for programs")
                .help("build it with the feature `jit`"),
        ),
        false => Ok(Engine::Interpreter),
    }
}

fn run_one(
    vm: &mut Vm,
    args: &Args,
    name: &str,
    packet: &[u8],
) -> std::result::Result<hachi_vm::Output, Box<Stopped>> {
    let input = Input::new(packet);
    match args.unchecked {
        #[cfg(feature = "jit")]
        // SAFETY: `ask_kernel` came first.
        true => unsafe { vm.run_unchecked(name, &input) },
        _ => vm.run(name, &input),
    }
}

/// Has the kernel's verifier look at the very program that is to be run without checks.
fn ask_kernel(object: &Object, spec: &Spec, name: &str) -> Result {
    let refuse = |why: &dyn std::fmt::Display| {
        Failure::new(format!("program {name} is not run without checks: {why}"))
    };
    // What the kernel answers may differ from what the machine does: the program would be another.
    if let Some(extern_) = spec.externs.first() {
        let why = format!("it asks the kernel for `{}`", extern_.name);
        return Err(refuse(&why));
    }
    let programs = spec.programs.iter();
    for program in programs.clone() {
        let code = program.code().map_err(|error| refuse(&error))?;
        if code.core_relos().next().is_some() {
            return Err(refuse(&"it asks for the kernel's types"));
        }
    }
    if spec.endian != Endian::NATIVE {
        return Err(refuse(&"it is for machines of the other byte order"));
    }
    let shown = object.path.display();
    let mut ebpf = EbpfLoader::new()
        .load_spec(spec.clone())
        .map_err(|error| Failure::because(&shown, &error))?;
    for program in programs {
        let loaded = ebpf.program_mut(&program.name);
        let loaded = loaded.map_err(|error| Failure::because(&shown, &error))?;
        loaded.load().map_err(|error| {
            let what = format!("program {name} is not run without checks");
            Failure::because(what, &error)
        })?;
    }
    Ok(())
}

/// Machines to run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Machine {
    #[value(name = "x86_64", alias = "x86-64")]
    X86,
    #[value(name = "aarch64", alias = "arm64")]
    Arm,
    #[value(name = "riscv64")]
    Riscv,
    #[value(name = "s390x")]
    S390x,
}

impl Machine {
    fn endian(self) -> Endian {
        match self {
            Machine::S390x => Endian::Big,
            _ => Endian::Little,
        }
    }

    fn target(self) -> Target {
        match self.endian() {
            Endian::Big => Target::Bpfeb,
            Endian::Little => Target::Bpfel,
        }
    }
}

fn check_machine(object: &Object, machine: Machine) -> Result {
    if object.spec.endian == machine.endian() {
        return Ok(());
    }
    let order = |endian| match endian {
        Endian::Big => "big-endian",
        Endian::Little => "little-endian",
    };
    let shown = object.path.display();
    let (is, wanted) = (order(object.spec.endian), order(machine.endian()));
    Err(Failure::new(format!(
        "{shown} is for {is} machines, and this one is {wanted}"
    )))
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
        let program = object.program(name)?;
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
        "pcap": path_text(&args.setup.pcap),
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
