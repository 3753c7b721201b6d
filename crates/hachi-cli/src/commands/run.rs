//! `hachi run`: load, attach, and show what happens until Ctrl-C.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anstream::{eprintln, println};
use anstyle::Style;
use hachi::links::{LinkError, OwnedLink};
use hachi::log_format::{Level, Message};
use hachi::maps::{Map, MapData, RingBuf};
use hachi::programs::{AttachOptions, AttachType, Attached, ProgramError, TcAttachType, XdpFlags};
use hachi::{Ebpf, EbpfLoader, EbpfLogger};
use hachi_obj::{ProgramSpec, ProgramType};
use serde_json::{Value, json};

use crate::commands::build::{self, BuildOptions};
use crate::failure::{Failure, Kind, Result};
use crate::object::{self, Object};
use crate::output::{self, BAD, BOLD, DIM, Format, GOOD, WARN};
use crate::pins::Pins;
use crate::sys::{self, Signals};
use crate::value;

/// Load an object, attach its programs by their sections, and print what they log until Ctrl-C
///
/// Builds first when given a package or a .rs file. Ring buffers of the programs are read and
/// counted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi run firewall.o --iface eth0
  hachi run firewall-ebpf --iface lo --mode skb --set LOG_DROPS=1
  hachi run execsnoop.o                                                       # its sections say where
  hachi run malloc.o --pid 4321
  hachi run connections.o --cgroup /sys/fs/cgroup/user.slice
  hachi run firewall.o --iface eth0 --pin /sys/fs/bpf/firewall --duration 0   # pin it and come back
  hachi unpin --recursive /sys/fs/bpf/firewall                                # and end it")]
pub struct Args {
    /// An object, a package or a .rs file
    #[arg(value_name = "OBJECT|PATH")]
    target: PathBuf,
    /// The interface to attach XDP programs and classifiers to; may be given several times
    #[arg(short, long, value_name = "IFACE")]
    iface: Vec<String>,
    /// Attach classifiers whose sections do not say it to what an interface sends, not to what it
    /// receives
    #[arg(long)]
    egress: bool,
    /// The cgroup to attach cgroup programs to, as the path of its directory
    #[arg(long, value_name = "DIR")]
    cgroup: Option<PathBuf>,
    /// Watch only this process with probes in user space
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// The program or library that probes in user space are for, if their sections do not say
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where XDP programs run: in the driver if it can (auto), in the generic path, the driver, or
    /// the card
    #[arg(long, value_name = "MODE", value_enum, default_value = "auto")]
    mode: Mode,
    /// Only this program, by name or section; may be given several times
    #[arg(short, long, value_name = "NAME")]
    program: Vec<String>,
    /// Set a global of the program before loading
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Pin programs, maps and links below DIR, so that all goes on when this command ends
    #[arg(long, value_name = "DIR")]
    pin: Option<PathBuf>,
    /// End after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    duration: Option<Duration>,
    /// Do not print log messages and event counts
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten, next_help_heading = "Options for building")]
    build: BuildOptions,
    /// Print one JSON document on stdout when done; messages go to stderr
    #[command(flatten)]
    format: Format,
}

/// Where in the stack an XDP program runs.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Mode {
    Auto,
    Skb,
    Driver,
    Hardware,
}

impl Mode {
    fn flags(self) -> XdpFlags {
        match self {
            Mode::Auto => XdpFlags::default(),
            Mode::Skb => XdpFlags::SKB_MODE,
            Mode::Driver => XdpFlags::DRV_MODE,
            Mode::Hardware => XdpFlags::HW_MODE,
        }
    }
}

impl Args {
    fn attach_options(&self) -> AttachOptions {
        let mut options = AttachOptions::new().xdp_flags(self.mode.flags());
        for interface in &self.iface {
            options = options.interface(interface);
        }
        if self.egress {
            options = options.tc_direction(TcAttachType::Egress);
        }
        if let Some(cgroup) = &self.cgroup {
            options = options.cgroup(cgroup);
        }
        if let Some(pid) = self.pid {
            options = options.pid(pid);
        }
        if let Some(binary) = &self.binary {
            options = options.binary(binary);
        }
        options
    }
}

fn parse_seconds(text: &str) -> std::result::Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected a number of seconds such as 10 or 0.5".to_string())
}

pub fn run(args: Args) -> Result {
    let mut object = object::open(&resolve(&args)?)?;
    let programs = plan(&object, &args)?;
    for setting in &args.set {
        set_global(&mut object, setting)?;
    }
    let signals =
        Signals::take().map_err(|error| Failure::because("waiting for signals", &error))?;

    let path = object.path.clone();
    let mut pins = Pins::new();
    let mut ebpf = EbpfLoader::new()
        .load_spec(object.spec)
        .map_err(|error| Failure::because(path.display(), &error))?;
    if let Some(dir) = &args.pin {
        pin_maps(&ebpf, dir, &mut pins)?;
    }
    // Readers stand ready before the first event.
    let mut logger = EbpfLogger::init(&mut ebpf).ok();
    let mut events = Events::of(&mut ebpf)?;
    let mut attached = Vec::new();
    for name in &programs {
        attached.extend(attach(&mut ebpf, name, &args, &mut pins)?);
    }
    let _registered = register(&mut ebpf, &args, &mut pins, &mut attached)?;
    if attached.is_empty() {
        return Err(Failure::new(format!(
            "{} has no program to attach",
            path.display()
        )));
    }
    pins.keep();
    announce(&attached, &args);

    let started = Instant::now();
    let mut messages = Vec::new();
    watch(&signals, logger.as_mut(), &mut events, &args, &mut messages)?;
    drop(ebpf);
    finish(&attached, &args, &events, messages, started.elapsed());
    Ok(())
}

/// The object to load, built first if need be.
fn resolve(args: &Args) -> Result<PathBuf> {
    let target = &args.target;
    let is_source = target
        .extension()
        .is_some_and(|extension| extension == "rs");
    if !target.is_dir() && !is_source {
        return Ok(target.clone());
    }
    let mut objects = build::build(target, &args.build, None, None)?;
    match objects.len() {
        1 => Ok(objects.remove(0).path),
        0 => Err(Failure::new(format!(
            "{} has no eBPF program",
            target.display()
        ))),
        _ => {
            let names: Vec<&str> = objects.iter().map(|object| object.name.as_str()).collect();
            Err(
                Failure::usage(format!("{} has several objects", target.display()))
                    .help(format!("choose one with --bin: {}", names.join(", "))),
            )
        }
    }
}

/// The programs to attach, by name, as far as that can be told without the kernel.
fn plan(object: &Object, args: &Args) -> Result<Vec<String>> {
    let asked = !args.program.is_empty();
    let mut chosen = object.select(&args.program)?;
    // Sections that begin with `?` are only for those who ask.
    chosen.retain(|program| asked || program.autoload);
    let mut names = Vec::new();
    for program in &chosen {
        if program.program_type == ProgramType::Unspec {
            let reason = format!("section {} names no kind of program", program.section);
            leave_out(&program.name, &reason, args)?;
        } else {
            names.push(program.name.clone());
        }
    }
    if names.is_empty() {
        return Err(Failure::new(format!(
            "{} has no program to attach",
            object.path.display()
        )));
    }
    let of_interfaces: Vec<&str> = chosen
        .iter()
        .filter(|program| is_xdp(program))
        .map(|program| program.name.as_str())
        .collect();
    match of_interfaces[..] {
        [name, ..] if args.iface.is_empty() => Err(Failure::usage(format!(
            "XDP program {name} needs an interface"
        ))
        .help("give it with --iface IFACE; `ip link` lists the interfaces")),
        [_, _, ..] => Err(Failure::usage(
            "an interface takes one XDP program, and the object has several",
        )
        .help(format!(
            "choose one with --program: {}",
            of_interfaces.join(", ")
        ))),
        _ => Ok(names),
    }
}

/// Whether it is for interfaces (and not for entries of a map).
fn is_xdp(program: &ProgramSpec) -> bool {
    program.program_type == ProgramType::Xdp
        && !matches!(
            program.attach_type,
            Some(AttachType::XdpDevmap | AttachType::XdpCpumap)
        )
}

/// Of all programs, those that can be attached are meant; one asked for by name must be.
fn leave_out(name: &str, reason: &str, args: &Args) -> Result {
    if !args.program.is_empty() {
        return Err(Failure::new(format!(
            "program {name} cannot be attached: {reason}"
        )));
    }
    output::warn(format!("program {name} is left out: {reason}"));
    Ok(())
}

/// `NAME=VALUE` for a global of 1, 2, 4 or 8 bytes.
fn set_global(object: &mut Object, setting: &str) -> Result {
    let (name, text) = setting
        .split_once('=')
        .ok_or_else(|| Failure::usage(format!("`{setting}` is not of the form NAME=VALUE")))?;
    let size = object
        .spec
        .global(name)
        .map_err(|error| Failure::because(object.path.display(), &error))?
        .size;
    let bytes = value::parse_number(text, size as usize, object.spec.endian).ok_or_else(|| {
        let bytes = output::count(size as usize, "byte");
        Failure::usage(format!(
            "`{text}` is no value for {name}, which has {bytes}"
        ))
        .help("numbers (decimal, or hexadecimal after 0x), true and false can be set")
    })?;
    object
        .spec
        .set_global(name, &bytes)
        .map_err(|error| Failure::because(object.path.display(), &error))
}

/// Pins each map that the object defines as DIR/maps/NAME. Those of globals live with the program.
fn pin_maps(ebpf: &Ebpf, dir: &Path, pins: &mut Pins) -> Result {
    for (name, map) in ebpf.maps() {
        if name.starts_with('.') {
            continue;
        }
        let path = dir.join("maps").join(name);
        map.data()
            .pin(&path)
            .map_err(|error| Failure::because("", &error))?;
        pins.add(path);
    }
    Ok(())
}

/// A program and what it is attached to.
struct Attachment {
    program: String,
    /// In words.
    target: String,
}

impl Attachment {
    fn interface(&self) -> Option<&str> {
        self.target.strip_prefix("interface ")
    }

    fn json(&self) -> Value {
        let mut value = json!({ "program": self.program, "target": self.target });
        if let Some(interface) = self.interface() {
            value["iface"] = interface.into();
        }
        value
    }
}

fn attach(ebpf: &mut Ebpf, name: &str, args: &Args, pins: &mut Pins) -> Result<Vec<Attachment>> {
    let failed = |error: &ProgramError| match error {
        ProgramError::LoadError(rejection) if !rejection.log.is_empty() => {
            eprintln!("{}", rejection.explain().render(true).trim_end());
            Failure::silent(Kind::Failed)
        }
        error => Failure::because("", error),
    };
    let program = ebpf.program_mut(name).map_err(|error| failed(&error))?;
    program.load().map_err(|error| failed(&error))?;
    if let Some(dir) = &args.pin {
        let path = dir.join("programs").join(name);
        program
            .pin(&path)
            .map_err(|error| Failure::because("", &error))?;
        pins.add(path);
    }
    let attached = match program.attach_by_section(&args.attach_options()) {
        Ok(attached) => attached,
        Err(ProgramError::Attach {
            error: LinkError::NoTarget(reason),
            ..
        }) => {
            // Functions of structs run with these.
            if program.prog_type() != ProgramType::StructOps || !args.program.is_empty() {
                leave_out(name, &reason, args)?;
            }
            return Ok(Vec::new());
        }
        Err(error) => {
            let failure = failed(&error);
            // The library's words for it, in the command's.
            return Err(match error {
                ProgramError::Attach {
                    error: LinkError::Attach { error, .. },
                    ..
                } if program.prog_type() == ProgramType::Xdp
                    && error.errno() == libc::EOPNOTSUPP =>
                {
                    failure.help("that mode is `--mode skb`")
                }
                _ => failure,
            });
        }
    };
    let mut attachments = Vec::new();
    for Attached { link, target } in attached {
        let attachment = Attachment {
            program: name.to_owned(),
            target,
        };
        if let Some(dir) = &args.pin {
            let file = match attachment.interface() {
                Some(interface) => format!("{name}-{interface}"),
                None => name.to_owned(),
            };
            let path = dir.join("links").join(file);
            let link = program.take_link(link).map_err(|error| failed(&error))?;
            link.pin(&path)
                .map_err(|error| Failure::because("", &error))?;
            pins.add(path);
        }
        attachments.push(attachment);
    }
    Ok(attachments)
}

/// Registers the structs of functions, unless programs were asked for by name. They stay so as long
/// as their links.
fn register(
    ebpf: &mut Ebpf,
    args: &Args,
    pins: &mut Pins,
    attached: &mut Vec<Attachment>,
) -> Result<Vec<OwnedLink>> {
    if !args.program.is_empty() {
        return Ok(Vec::new());
    }
    let structs = ebpf.attach_struct_ops();
    let structs = structs.map_err(|error| Failure::because("", &error))?;
    let mut links = Vec::new();
    for (name, link) in structs {
        if let Some(dir) = &args.pin {
            let path = dir.join("links").join(&name);
            link.pin(&path)
                .map_err(|error| Failure::because("", &error))?;
            pins.add(path);
        } else {
            links.push(link);
        }
        attached.push(Attachment {
            program: name,
            target: "the kernel, as a struct of functions".to_owned(),
        });
    }
    Ok(links)
}

fn announce(attachments: &[Attachment], args: &Args) {
    if args.duration == Some(Duration::ZERO) || args.format.json {
        return;
    }
    for attachment in attachments {
        println!(
            "{GOOD}attached{GOOD:#} {BOLD}{}{BOLD:#} to {}",
            attachment.program, attachment.target
        );
    }
    if args.duration.is_none() {
        println!("{DIM}Ctrl-C ends this{DIM:#}");
    }
}

/// The ring buffers of an object and what came through them.
struct Events {
    rings: Vec<Ring>,
}

struct Ring {
    name: String,
    reader: RingBuf<MapData>,
    records: u64,
    bytes: u64,
    /// `records` when the count was last printed.
    shown: u64,
}

impl Events {
    /// Takes all ring buffers that are left. The logger must have taken its own before.
    fn of(ebpf: &mut Ebpf) -> Result<Events> {
        let names: Vec<String> = ebpf
            .maps()
            .filter(|(_, map)| matches!(map, Map::RingBuf(_)))
            .map(|(name, _)| name.to_string())
            .collect();
        let mut rings = Vec::new();
        for name in names {
            let reader = ebpf.take_map(&name).and_then(RingBuf::try_from);
            let reader = reader
                .map_err(|error| Failure::because(format!("reading ring buffer {name}"), &error))?;
            rings.push(Ring {
                name,
                reader,
                records: 0,
                bytes: 0,
                shown: 0,
            });
        }
        Ok(Events { rings })
    }

    fn drain(&mut self) {
        for ring in &mut self.rings {
            let mut bytes = 0;
            ring.records += ring.reader.drain(|record| bytes += record.len() as u64) as u64;
            ring.bytes += bytes;
        }
    }

    /// Prints the counts that have changed.
    fn show(&mut self) {
        for ring in self
            .rings
            .iter_mut()
            .filter(|ring| ring.records != ring.shown)
        {
            println!(
                "{BOLD}{}{BOLD:#}: {} events, {} bytes {DIM}(+{}){DIM:#}",
                ring.name,
                output::grouped(ring.records),
                output::grouped(ring.bytes),
                output::grouped(ring.records - ring.shown)
            );
            ring.shown = ring.records;
        }
    }

    fn json(&self) -> Value {
        let counts: BTreeMap<&str, Value> = self
            .rings
            .iter()
            .map(|ring| {
                (
                    ring.name.as_str(),
                    json!({ "records": ring.records, "bytes": ring.bytes }),
                )
            })
            .collect();
        json!(counts)
    }
}

/// How often event counts are printed at most.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// Prints messages and counts until a signal or the end of the time.
fn watch(
    signals: &Signals,
    mut logger: Option<&mut EbpfLogger>,
    events: &mut Events,
    args: &Args,
    messages: &mut Vec<Value>,
) -> Result {
    let deadline = args.duration.map(|duration| Instant::now() + duration);
    let shows = !args.quiet && !args.format.json;
    let mut next_show = Instant::now() + SHOW_EVERY;
    let mut interrupted = false;
    loop {
        if let Some(logger) = logger.as_deref_mut() {
            logger.read(|message| match message {
                Ok(message) => tell(&message, args, messages),
                Err(error) => output::warn(error),
            });
        }
        events.drain();
        let now = Instant::now();
        // Only here, so that what came before the end is told.
        if interrupted || deadline.is_some_and(|end| now >= end) {
            break;
        }
        if shows && now >= next_show {
            events.show();
            next_show = now + SHOW_EVERY;
        }
        let wakes_to_show = shows && events.rings.iter().any(|ring| ring.records != ring.shown);
        let wake_at = deadline
            .into_iter()
            .chain(wakes_to_show.then_some(next_show))
            .min();
        let fds: Vec<_> = logger
            .iter()
            .map(|logger| logger.as_fd())
            .chain(events.rings.iter().map(|ring| ring.reader.as_fd()))
            .collect();
        let timeout = wake_at.map(|at| at.saturating_duration_since(now));
        interrupted = sys::wait_for_signal(signals, &fds, timeout)
            .map_err(|error| Failure::because("waiting for events", &error))?;
    }
    if shows {
        events.show();
    }
    Ok(())
}

/// Prints one log message, or keeps it for the document.
fn tell(message: &Message<'_>, args: &Args, messages: &mut Vec<Value>) {
    let site = &message.site;
    let (name, style) = match site.level {
        Level::Error => ("ERROR", BAD),
        Level::Warn => ("WARN ", WARN),
        Level::Info => ("INFO ", GOOD),
        Level::Debug => ("DEBUG", DIM),
        Level::Trace => ("TRACE", Style::new()),
    };
    if args.format.json {
        messages.push(json!({
            "level": name.trim_end(),
            "target": site.target,
            "file": site.file,
            "line": site.line,
            "message": message.to_string(),
        }));
    } else if !args.quiet {
        println!(
            "{style}{name}{style:#} {message}  {DIM}{}:{}{DIM:#}",
            object::short_file(site.file),
            site.line
        );
    }
}

fn finish(
    attachments: &[Attachment],
    args: &Args,
    events: &Events,
    messages: Vec<Value>,
    ran: Duration,
) {
    if args.format.json {
        let attached: Vec<Value> = attachments.iter().map(Attachment::json).collect();
        output::print_json(&json!({
            "attached": attached,
            "pinned": args.pin,
            "log": messages,
            "events": events.json(),
            "seconds": ran.as_secs_f64(),
        }));
        return;
    }
    match &args.pin {
        Some(dir) => {
            println!("still attached, pinned in {}", dir.display());
            println!(
                "{DIM}to end it: hachi unpin --recursive {}{DIM:#}",
                dir.display()
            );
        }
        None => println!("detached"),
    }
}
