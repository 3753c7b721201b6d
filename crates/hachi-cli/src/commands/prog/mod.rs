//! `hachi prog`: programs of the running system.

mod dump;
mod list;
mod log;
mod profile;
mod run;
mod show;
mod stats;

use hachi::Held;
use hachi::programs::ProgramInfo;
use serde_json::{Value, json};

use crate::failure::Result;
use crate::kernel::Pids;
use crate::output::Output;

/// List programs, and look into them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A program is named by its id, its name, its tag, or the path of its pin.

Examples:
  hachi prog list
  hachi prog dump firewall source
  hachi prog stats")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Dump(dump::Args),
    Run(run::Args),
    Stats(stats::Args),
    Profile(profile::Args),
    Log(log::Args),
}

pub fn run(args: Args, out: &mut Output) -> Result {
    match args.command {
        Command::List(args) => list::run(args, out),
        Command::Show(args) => show::run(args, out),
        Command::Dump(args) => dump::run(args, out),
        Command::Run(args) => run::run(args, out),
        Command::Stats(args) => stats::run(args, out),
        Command::Profile(args) => profile::run(args, out),
        Command::Log(args) => log::run(args, out),
    }
}

/// The processes that hold programs: themselves, by a link or by a probe.
fn holders() -> Result<Pids> {
    Pids::of(|held| match held {
        Held::Program(id) | Held::Link { program_id: id, .. } => Some(*id),
        Held::Probe(probe) => Some(probe.program_id),
        _ => None,
    })
}

/// The tag in hexadecimal, as it is typed.
fn tag(program: &ProgramInfo) -> String {
    program.tag().map(|byte| format!("{byte:02x}")).concat()
}

/// A program in a document.
pub fn describe(program: &ProgramInfo) -> Value {
    let (runs, time) = program.run_stats();
    json!({
        "id": program.id(),
        "type": program.type_name(),
        "name": program.name(),
        "tag": tag(program),
        "uid": program.uid(),
        "loaded_at_ns": u64::try_from(program.load_time().as_nanos()).ok(),
        "map_ids": program.map_ids(),
        "btf_id": program.btf_id(),
        "xlated_bytes": program.xlated_size(),
        "jited_bytes": program.jited_size(),
        "verified_insns": program.verified_insns(),
        "gpl_compatible": program.gpl_compatible(),
        "run_count": runs,
        "run_time_ns": u64::try_from(time.as_nanos()).ok(),
    })
}
