//! `hachi run`: load, attach, and show what happens until Ctrl-C.

mod attach;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hachi::EbpfLoader;
use hachi::programs::{AttachOptions, AttachType, TcAttachType, XdpFlags};
use hachi_btf::Types;
use hachi_obj::{Pinning, ProgramSpec, ProgramType};

use crate::commands::build::{self, BuildOptions};
use crate::commands::link::seen;
use crate::failure::{Failure, Kind, Result};
use crate::object::{self, Object};
use crate::output::Output;
use crate::pins::{self, PinDir};
use crate::sys::{self, Signals};
use crate::{kernel, usage, value};
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
    /// Pin programs, maps and links below DIR, which it makes, so that all goes on when this
    /// command ends
    #[arg(long, value_name = "DIR")]
    pin: Option<PathBuf>,
    /// End after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = usage::seconds)]
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

pub fn run(args: Args, out: &mut Output) -> Result {
    let mut object = object::open(&resolve(&args.target, &args.build)?)?;
    let programs = plan(&object, &args, out)?;
    if args.pin.is_some() {
        check_pin_names(&object, &programs)?;
    }
    for setting in &args.set {
        set_global(&mut object, setting)?;
    }
    // Rust has SIGPIPE ignored; here it is one that asks for the end, like the others.
    let ending: Vec<i32> = sys::ENDING.into_iter().chain([libc::SIGPIPE]).collect();
    let signals =
        Signals::take(&ending).map_err(|error| Failure::because("waiting for signals", &error))?;
    let signals = Arc::new(signals);
    out.heed(Arc::clone(&signals));

    tell_what_is_left(&programs, out)?;
    let path = object.path.clone();
    let mut pins = args.pin.as_deref().map(PinDir::begin).transpose()?;
    let pinned_by_name = pinned_by_name(&object);
    let mut loader = EbpfLoader::new();
    if let Some(pins) = &pins {
        loader.map_pin_path(pins.maps());
    }
    let mut ebpf = loader
        .load_spec(object.spec)
        .map_err(|error| Failure::because(path.display(), &error))?;
    if let Some(pins) = &mut pins {
        for (name, map) in ebpf.maps() {
            // Those of globals live with the program; others have been pinned by the loader.
            if !name.starts_with('.') && !pinned_by_name.iter().any(|pinned| pinned == name) {
                pins.add_map(name, map.data())?;
            }
        }
    }
    // Readers stand ready before the first event.
    let mut watch = Watch::of(&mut ebpf, &args)?;
    let mut attached = Vec::new();
    for name in &programs {
        attached.extend(attach::program(&mut ebpf, name, &args, out)?);
    }
    attached.extend(attach::structs(&mut ebpf, &args)?);
    if attached.is_empty() {
        return Err(Failure::new(format_args!(
            "{} has no program to attach",
            path.display()
        )));
    }
    if let Some(mut pins) = pins {
        for name in &programs {
            let program = ebpf.program(name);
            let program = program.map_err(|error| Failure::because("", &error))?;
            pins.add_program(name, program)?;
        }
        for attachment in &mut attached {
            if let Some(link) = attachment.take_link(&mut ebpf)? {
                pins.add_link(&attachment.pin_name(), link)?;
            }
        }
        // From here on nothing that fails takes pins away, least of all a reader that is gone.
        pins.finish()?;
    }
    let watched = watch
        .announce(&attached, out)
        .and_then(|()| watch.go_on(&signals, out));
    // First the end of it, then words about it.
    drop(attached);
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

/// Warns of what an earlier run has left that was killed. This is a hint: what cannot be looked at
/// is left out.
fn tell_what_is_left(programs: &[String], out: &mut Output) -> Result {
    let is_ours = |name: &str| {
        programs
            .iter()
            .any(|ours| kernel::kernel_name(ours) == name)
    };
    let Ok(left) = seen::left_behind(is_ours) else {
        return Ok(());
    };
    for left in left {
        let (program, shown) = (&left.program, &left.shown);
        let undo = left.name().unwrap_or_default();
        out.warn(format_args!(
            "program {program} is attached already, to {shown}, and no process has it open: what \
             a `hachi run` leaves that is killed; to end it: hachi link detach {undo}"
        ))?;
    }
    for dir in pins::unfinished_dirs().unwrap_or_default() {
        out.warn(pins::unfinished_warning(&dir))?;
    }
    Ok(())
}

/// The object to load, built first if need be.
pub fn resolve(target: &Path, options: &BuildOptions) -> Result<PathBuf> {
    resolve_for(target, options, None)
}

/// As [`resolve`]; what is built is built for this machine.
pub fn resolve_for(
    target: &Path,
    options: &BuildOptions,
    machine: Option<hachi_build::Target>,
) -> Result<PathBuf> {
    let is_source = target
        .extension()
        .is_some_and(|extension| extension == "rs");
    if !target.is_dir() && !is_source {
        return Ok(target.to_path_buf());
    }
    let machine = build::Machine {
        target: machine,
        arch: None,
    };
    let mut objects = build::build(target, options, machine, None, None)?;
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

/// The programs to attach, by name, as far as that is known without the kernel.
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

/// The maps that the loader pins, because the object says so.
fn pinned_by_name(object: &Object) -> Vec<String> {
    let maps = object.spec.maps.iter();
    maps.filter(|map| map.pinning == Pinning::ByName)
        .map(|map| map.name.clone())
        .collect()
}

/// Looks at the names that pins will have, before anything is done.
fn check_pin_names(object: &Object, programs: &[String]) -> Result {
    let maps = object.spec.maps.iter().map(|map| &map.name);
    let structs = object.spec.struct_ops.iter().map(|ops| &ops.name);
    for name in programs.iter().chain(maps).chain(structs) {
        pins::file_name(name)?;
    }
    Ok(())
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

/// `NAME=VALUE` for a global.
pub fn set_global(object: &mut Object, setting: &str) -> Result {
    let (name, text) = setting
        .split_once('=')
        .ok_or_else(|| Failure::usage(format_args!("`{setting}` is not of the form NAME=VALUE")))?;
    let failed = |error| Failure::because(object.path.display(), &error);
    let spec = &mut object.spec;
    let global = spec
        .global(name)
        .map_err(|error| Failure::usage(failed(error).message))?;
    let types = spec.btf.as_ref().map(|btf| btf as &dyn Types);
    let size = global.size as usize;
    let bytes = value::parse(types, global.type_id, size, spec.endian, text)
        .map_err(|why| Failure::usage(format_args!("`{text}` is no value for {name}: {why}")))?;
    spec.set_global(name, &bytes).map_err(failed)
}
