//! `hachi run`: load, attach, and show what happens until Ctrl-C.

mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hachi::links::{LinkError, OwnedLink};
use hachi::programs::{AttachOptions, AttachType, Attached, ProgramError, TcAttachType, XdpFlags};
use hachi::{Ebpf, EbpfLoader};
use hachi_obj::{ProgramSpec, ProgramType};
use serde_json::{Value, json};

use crate::commands::build::{self, BuildOptions};
use crate::failure::{Failure, Kind, Result};
use crate::object::{self, Object};
use crate::output::{self, Output};
use crate::pins::Pins;
use crate::sys::{self, Signals};
use crate::value;
use watch::Watch;

/// Load an object, attach its programs by their sections, and print what they log until Ctrl-C
///
/// Builds first when given a package or a .rs file. Ring buffers of the programs are read and
/// counted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi run firewall.o --iface eth0
  hachi run firewall-ebpf --iface lo --mode skb --set LOG_DROPS=1
  hachi run execsnoop.o       # its sections say where
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
    /// Print one JSON object a line, as things happen; each has a `type`: attached, log, lost,
    /// events, end
    #[arg(long)]
    json: bool,
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

pub fn run(args: Args, out: &mut Output) -> Result {
    let mut object = object::open(&resolve(&args)?)?;
    let programs = plan(&object, &args, out)?;
    for setting in &args.set {
        set_global(&mut object, setting)?;
    }
    // Rust has SIGPIPE ignored; here it is one that asks for the end, like the others.
    let ending: Vec<i32> = sys::ENDING.into_iter().chain([libc::SIGPIPE]).collect();
    let signals =
        Signals::take(&ending).map_err(|error| Failure::because("waiting for signals", &error))?;
    let signals = Arc::new(signals);
    out.heed(Arc::clone(&signals));

    let path = object.path.clone();
    let mut pins = Pins::new();
    let mut ebpf = EbpfLoader::new()
        .load_spec(object.spec)
        .map_err(|error| Failure::because(path.display(), &error))?;
    if let Some(dir) = &args.pin {
        pin_maps(&ebpf, dir, &mut pins)?;
    }
    // Readers stand ready before the first event.
    let mut watch = Watch::of(&mut ebpf, &args)?;
    let mut attached = Vec::new();
    for name in &programs {
        attached.extend(attach(&mut ebpf, name, &args, &mut pins, out)?);
    }
    let registered = register(&mut ebpf, &args, &mut pins, &mut attached)?;
    if attached.is_empty() {
        return Err(Failure::new(format_args!(
            "{} has no program to attach",
            path.display()
        )));
    }
    // From here on nothing that fails takes pins away, least of all a reader that is gone.
    pins.keep();
    let watched = watch
        .announce(&attached, out)
        .and_then(|()| watch.go_on(&signals, out));
    // First the end of it, then words about it.
    drop(registered);
    drop(ebpf);
    watched
        .and_then(|()| watch.finish(out))
        .and_then(|()| out.flush())
        .map_err(|failure| match failure.kind {
            // What was to be shown was not.
            Kind::Unread | Kind::Interrupted => Failure::silent(Kind::Failed),
            _ => failure,
        })
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
fn plan(object: &Object, args: &Args, out: &mut Output) -> Result<Vec<String>> {
    let asked = !args.program.is_empty();
    let mut chosen = object.select(&args.program)?;
    // Sections that begin with `?` are only for those who ask.
    chosen.retain(|program| asked || program.autoload);
    let mut names = Vec::new();
    for program in &chosen {
        if program.program_type == ProgramType::Unspec {
            let reason = format!("section {} names no kind of program", program.section);
            leave_out(&program.name, &reason, args, out)?;
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
fn leave_out(name: &str, reason: &str, args: &Args, out: &mut Output) -> Result {
    if !args.program.is_empty() {
        return Err(Failure::new(format!(
            "program {name} cannot be attached: {reason}"
        )));
    }
    out.warn(format_args!("program {name} is left out: {reason}"))
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
        let mut value =
            json!({ "type": "attached", "program": self.program, "target": self.target });
        if let Some(interface) = self.interface() {
            value["iface"] = interface.into();
        }
        value
    }
}

fn attach(
    ebpf: &mut Ebpf,
    name: &str,
    args: &Args,
    pins: &mut Pins,
    out: &mut Output,
) -> Result<Vec<Attachment>> {
    let failed = |error: &ProgramError| Failure::because("", error);
    let program = ebpf.program_mut(name).map_err(|error| failed(&error))?;
    match program.load() {
        Ok(()) => {}
        Err(ProgramError::LoadError(rejection)) if !rejection.log.is_empty() => {
            out.diagnostic(&rejection.explain())?;
            return Err(Failure::silent(Kind::Failed));
        }
        Err(error) => return Err(failed(&error)),
    }
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
                leave_out(name, &reason, args, out)?;
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
