//! `hachi build`: objects from packages and single files.

use std::io::{IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};

use hachi_build::{
    Arch, Artifact, Builder, Cpu, Kernel, Panics, Profile, Search, Target, Toolchain,
};
use serde_json::{Value, json};

use crate::failure::{Failure, Kind, Result};
use crate::output::{Output, path_text, say};

/// Build the eBPF programs of a package, or a single file, into objects
///
/// PATH is a package, a workspace, or one stand-alone .rs file. Prints the path of each object, one
/// a line.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi build                                # the package or workspace in this directory
  hachi build firewall-ebpf --out objects
  hachi build probe.rs --cpu v2
  hachi build probe.rs --arch arm64                       # to load it there
  hachi build firewall-ebpf --min-kernel 5.15 --panics deny
  hachi build firewall-ebpf --json                        # for editors
  hachi check $(hachi build firewall-ebpf)")]
pub struct Args {
    /// A package, a workspace or a .rs file
    #[arg(default_value = ".")]
    path: PathBuf,
    #[command(flatten)]
    options: BuildOptions,
    /// Byte order of the kernel's machine: bpfel-unknown-none or bpfeb-unknown-none (s390x)
    /// [default: this machine's]
    #[arg(long, value_name = "TARGET")]
    target: Option<Target>,
    /// Kind of machine whose registers the programs read: x86_64, aarch64 (arm64), riscv64 or s390x
    /// [default: this machine's]
    #[arg(long, value_name = "ARCH", conflicts_with = "target")]
    arch: Option<Arch>,
    /// Copy each object to DIR/NAME.o
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print cargo's JSON messages, one a line, as editors read them; the last one names the
    /// objects
    #[arg(long)]
    json: bool,
}

/// How to build; shared with `hachi run`.
#[derive(Debug, clap::Args)]
pub struct BuildOptions {
    /// Build only this binary; may be given several times
    #[arg(long, value_name = "NAME")]
    bin: Vec<String>,
    /// Optimise (the default)
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Optimise less, and check for overflows
    #[arg(long)]
    debug: bool,
    /// Instruction set: v1, v2, v3 (Linux 5.12) or v4 (Linux 6.6)
    #[arg(long, value_name = "CPU", default_value = "v3", value_parser = parse_cpu)]
    cpu: Cpu,
    /// Refuse what kernels as old as this, such as 5.15, do not have
    #[arg(long, value_name = "VERSION")]
    min_kernel: Option<Kernel>,
    /// Code that can still panic: allow, warn or deny (default: HACHI_PANICS, else warn)
    #[arg(long, value_name = "HOW")]
    panics: Option<Panics>,
    /// Enable these features of the package, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    features: Vec<String>,
    /// Do not enable the default features
    #[arg(long)]
    no_default_features: bool,
    /// Keep intermediate files here
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
    /// Require Cargo.lock to be up to date
    #[arg(long)]
    locked: bool,
    /// Do not use the network
    #[arg(long)]
    offline: bool,
    /// Install what the toolchain lacks without asking
    #[arg(short, long)]
    yes: bool,
    /// Say which toolchain is used and what is run
    #[arg(short, long)]
    verbose: bool,
}

pub fn parse_cpu(text: &str) -> std::result::Result<Cpu, String> {
    match text {
        "v1" => Ok(Cpu::V1),
        "v2" => Ok(Cpu::V2),
        "v3" => Ok(Cpu::V3),
        "v4" => Ok(Cpu::V4),
        _ => Err("expected v1, v2, v3 or v4".into()),
    }
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let build = |messages: Option<&mut dyn FnMut(&str)>| {
        let out = args.out.as_deref();
        let machine = Machine {
            target: args.target,
            arch: args.arch,
        };
        build(&args.path, &args.options, machine, out, messages)
    };
    if !args.json {
        for object in build(None)? {
            say!(out, object.path.display())?;
        }
        return Ok(());
    }
    let mut written = Ok(());
    let built = build(Some(&mut |line| {
        if written.is_ok() {
            written = out
                .json_text(&format!("{line}\n"))
                .and_then(|()| out.flush());
        }
    }));
    written?;
    let objects: Vec<Value> = built.iter().flatten().map(to_json).collect();
    out.json_line(&json!({
        "reason": "build-finished",
        "success": built.is_ok(),
        "objects": objects,
    }))?;
    built.map(|_| ())
}

fn to_json(object: &Artifact) -> Value {
    json!({
        "name": object.name,
        "path": path_text(&object.path),
        "bytes": std::fs::metadata(&object.path).map(|file| file.len()).ok(),
        "fresh": object.fresh,
    })
}

/// What to build for, as far as it is not this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine {
    /// The byte order.
    pub target: Option<Target>,
    /// The kind of machine, which has one.
    pub arch: Option<Arch>,
}

/// Builds what `path` names and returns the objects. What compiler and linker say goes to
/// `messages` as lines of cargo's JSON, or else to standard error.
pub fn build(
    path: &Path,
    options: &BuildOptions,
    machine: Machine,
    out: Option<&Path>,
    messages: Option<&mut dyn FnMut(&str)>,
) -> Result<Vec<Artifact>> {
    if !path.exists() {
        return Err(Failure::new(format!("there is no {}", path.display()))
            .help("give a package's directory or a .rs file; `hachi new` makes a package"));
    }
    // Said at once, rather than after a toolchain was made ready for nothing.
    let is_source = path.extension().is_some_and(|extension| extension == "rs");
    let is_manifest = path.file_name().is_some_and(|name| name == "Cargo.toml");
    let buildable = match path.is_dir() {
        true => path.join("Cargo.toml").is_file(),
        false => is_source || is_manifest,
    };
    if !buildable {
        let shown = path.display();
        return Err(Failure::new(format!(
            "cannot build {shown}: it is neither a directory with a Cargo.toml nor a .rs file"
        ))
        .help("`hachi new` makes a package"));
    }
    let package_dir = match path.is_file() {
        true => path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty()),
        false => Some(path),
    };
    let mut search = Search::default()
        .assume_yes(options.yes)
        .interactive(stdin().is_terminal() && stderr().is_terminal())
        .verbose(options.verbose);
    if let Some(dir) = package_dir {
        search = search.package_dir(dir);
    }
    if let Some(target) = machine.arch.map(Arch::target).or(machine.target) {
        search = search.target(target);
    }
    let toolchain = Toolchain::find(&search).map_err(failure)?;
    let mut builder = Builder::new(path)
        .toolchain(toolchain)
        .cpu(options.cpu)
        .profile(if options.debug {
            Profile::Debug
        } else {
            Profile::Release
        })
        .explained_by("hachi explain")
        .locked(options.locked)
        .offline(options.offline)
        .verbose(options.verbose);
    if let Some(checkout) = crate::origin::built_in() {
        builder = builder.built_in(checkout);
    }
    if let Some(kernel) = options.min_kernel {
        builder = builder.min_kernel(kernel);
    }
    if let Some(panics) = options.panics {
        builder = builder.panics(panics);
    }
    for bin in &options.bin {
        builder = builder.bin(bin);
    }
    for feature in &options.features {
        builder = builder.feature(feature);
    }
    if options.no_default_features {
        builder = builder.no_default_features();
    }
    if let Some(dir) = &options.target_dir {
        builder = builder.target_dir(dir);
    }
    if let Some(arch) = machine.arch {
        builder = builder.arch(arch);
    }
    if let Some(dir) = out {
        builder = builder.out_dir(dir);
    }
    let built = match messages {
        Some(messages) => builder.build_with_messages(messages),
        None => builder.build(),
    };
    built.map_err(|error| match ebpf_side(path) {
        Some(side) => failure(error).help(format!(
            "this is the user side; build the eBPF side: hachi build {side}"
        )),
        None => failure(error),
    })
}

/// The package next to the user side `path` that is its eBPF side, as `hachi new` names it.
fn ebpf_side(path: &Path) -> Option<String> {
    let side = format!("{}-ebpf", path.to_str()?.trim_end_matches('/'));
    Path::new(&side)
        .join("Cargo.toml")
        .is_file()
        .then_some(side)
}

/// What a failed build means for the exit code.
pub fn failure(error: hachi_build::Error) -> Failure {
    use hachi_build::Error;
    let kind = match &error {
        Error::NoCompiler { .. }
        | Error::ForcedWay { .. }
        | Error::NoCore { .. }
        | Error::NoCross { .. }
        | Error::Install { .. }
        | Error::Spawn { .. } => Kind::Missing,
        Error::Llvm(_) | Error::NoCacheDirectory => Kind::Missing,
        Error::NoCheckout { .. } | Error::DependencyGone { .. } => Kind::Missing,
        Error::NoSuchBinary { .. } | Error::NoSuchPackage { .. } | Error::Setting { .. } => {
            Kind::Usage
        }
        _ => Kind::Failed,
    };
    Failure::report(kind, &error)
}

/// Whether an eBPF package, or a workspace with one, is here; a guess good enough for suggestions.
pub fn has_ebpf_package(dir: &Path) -> bool {
    let depends = |manifest: PathBuf| {
        std::fs::read_to_string(manifest).is_ok_and(|text| {
            text.lines().any(|line| {
                line.trim_start().starts_with("hachi-ebpf")
                    || line.contains("package = \"hachi-ebpf\"")
            })
        })
    };
    if depends(dir.join("Cargo.toml")) {
        return true;
    }
    dir.join("Cargo.toml").is_file()
        && std::fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| depends(entry.path().join("Cargo.toml")))
}
