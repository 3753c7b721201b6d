//! Runs the small program of a type, and shows what it logs.

mod attach;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use attach::Next;
use clap::Parser;
use hachi::obj::Spec;
use hachi::{Ebpf, EbpfLoader, EbpfLogger, include_bytes_aligned};
use signal_hook::consts::{SIGINT, SIGTERM};

macro_rules! objects {
    ($($name:literal),*) => {
        [$(include_bytes_aligned!(concat!(env!("OUT_DIR"), "/", $name))),*]
    };
}

/// The kernel side: a family of program types each.
static OBJECTS: [&[u8]; 5] = objects!["cgroups", "network", "probes", "sockets", "tracing"];

/// Runs the small program of a type, and shows what it logs, until Ctrl-C.
#[derive(Parser)]
struct Args {
    /// The type: xdp, classifier, kprobe, lsm, …; each is the name of a program
    program: String,
    /// For types of the network: the interface
    #[arg(long)]
    iface: Option<String>,
    /// For types of cgroups: the directory of one
    #[arg(long)]
    cgroup: Option<PathBuf>,
    /// For tracing types: only this process
    #[arg(long)]
    pid: Option<u32>,
    /// For probes in user space: the program or library
    #[arg(long)]
    binary: Option<PathBuf>,
    /// For probes in user space: the function, or PROVIDER:NAME
    #[arg(long)]
    place: Option<String>,
    /// For types that other tools attach: a new file in a BPF file system
    #[arg(long)]
    pin: Option<PathBuf>,
    /// For types of sockets: the port at which to receive
    #[arg(long, default_value_t = 7000)]
    port: u16,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    let mut ebpf = load(&args)?;
    let mut logger = EbpfLogger::init(&mut ebpf)?;
    match attach::attach(&mut ebpf, &args)? {
        Next::Done => return Ok(()),
        Next::Log => println!("{} is attached; Ctrl-C detaches", args.program),
        Next::Pinned(command) => println!("{} is pinned; now: {command}", args.program),
    }
    while !stop.load(Ordering::Relaxed) {
        if logger.wait(Some(Duration::from_millis(100)))? {
            logger.read(|message| match message {
                Ok(message) => println!("{message}"),
                Err(error) => eprintln!("{error}"),
            });
        }
    }
    // What other tools have attached they keep.
    if let Some(pin) = &args.pin {
        std::fs::remove_file(pin)?;
    }
    Ok(())
}

/// Loads the object that has the program.
fn load(args: &Args) -> anyhow::Result<Ebpf> {
    for object in OBJECTS {
        if Spec::parse(object)?.program(&args.program).is_ok() {
            let mut loader = EbpfLoader::new();
            if let Some(pid) = &args.pid {
                loader.override_global("PID", pid, false);
            }
            return Ok(loader.load(object)?);
        }
    }
    None.with_context(|| format!("there is no program `{}`", args.program))
}
