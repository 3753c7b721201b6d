//! `hachi iter`: programs that are read like a file.

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use hachi::EbpfLoader;
use hachi::programs::{CgroupIterOrder, Iter, IterOver};
use hachi_obj::AttachType;

use crate::failure::{Failure, Result};
use crate::object;
use crate::output::Output;
use crate::select::{self, Access};

/// Run iterators: programs that visit all objects of a kind and print about them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi iter run tasks.o")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Run(RunArgs),
}

/// Load an iterator of an object, run it once and print what it writes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi iter run tasks.o
  hachi iter run elements.o --map BLOCKLIST
  hachi iter run tasks.o --pid 1")]
struct RunArgs {
    /// The object file
    #[arg(value_name = "OBJECT")]
    object: PathBuf,
    /// The program, by name or section, if the object has several iterators
    #[arg(short, long, value_name = "NAME")]
    program: Option<String>,
    /// Visit the elements of this map
    #[arg(long, value_name = "MAP", group = "over")]
    map: Option<String>,
    /// Visit the threads of this process
    #[arg(long, value_name = "PID", group = "over")]
    pid: Option<u32>,
    /// Visit this cgroup and those below it
    #[arg(long, value_name = "DIR", group = "over")]
    cgroup: Option<PathBuf>,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let Command::Run(args) = args.command;
    let object = object::open(&args.object)?;
    let wanted: Vec<String> = args.program.iter().cloned().collect();
    let iterators: Vec<String> = object
        .select(&wanted)?
        .into_iter()
        .filter(|program| program.attach_type == Some(AttachType::TraceIter))
        .map(|program| program.name.clone())
        .collect();
    let shown = object.path.display();
    let name = match iterators.as_slice() {
        [] => {
            return Err(Failure::new(format_args!("{shown} has no iterator"))
                .help("those are programs in sections iter/KIND"));
        }
        [one] => one.clone(),
        several => {
            return Err(
                Failure::usage(format_args!("{shown} has several iterators")).help(format_args!(
                    "choose with --program: {}",
                    several.join(", ")
                )),
            );
        }
    };
    let failed = |error: &(dyn std::error::Error + 'static)| Failure::because("", error);
    let mut loaded = EbpfLoader::new()
        .load_spec(object.spec)
        .map_err(|error| failed(&error))?;
    let program = loaded.program_mut(&name).map_err(|error| failed(&error))?;
    let iterator: &mut Iter = program.try_into().map_err(|error| failed(&error))?;
    iterator.load_by_section().map_err(|error| failed(&error))?;
    let map = args
        .map
        .as_deref()
        .map(|map| select::map(map, Access::Write))
        .transpose()?;
    let directory = match &args.cgroup {
        Some(path) => Some(std::fs::File::open(path).map_err(|error| {
            Failure::because(format_args!("opening cgroup {}", path.display()), &error)
        })?),
        None => None,
    };
    let over = match (&map, args.pid, &directory) {
        (Some(map), ..) => IterOver::Map(map.as_fd()),
        (_, Some(pid), _) => IterOver::Process(pid),
        (_, _, Some(directory)) => IterOver::Cgroup {
            directory: directory.as_fd(),
            order: CgroupIterOrder::DescendantsPre,
        },
        _ => IterOver::All,
    };
    let link = iterator.attach_over(over).map_err(|error| failed(&error))?;
    let mut file = iterator.read(link).map_err(|error| failed(&error))?;
    let reading = |error| Failure::because(format_args!("running {name}"), &error);
    // Whole lines go out as they come.
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer).map_err(reading)?;
        kept.extend(&buffer[..read]);
        let end = match read {
            0 => kept.len(),
            _ => kept
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1),
        };
        out.document(&String::from_utf8_lossy(&kept[..end]))?;
        kept.drain(..end);
        if read == 0 {
            return Ok(());
        }
    }
}
