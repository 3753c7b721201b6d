//! `hachi prog`: programs of the running system.

use hachi::{Held, programs::ProgramInfo};
use serde_json::{Value, json};

use crate::failure::Result;
use crate::kernel::{self, Pids};
use crate::output::{self, Format, Output, say};

/// List the programs that are loaded
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi prog list")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(visible_alias = "show")]
    List(ListArgs),
}

/// List the programs that are loaded
///
/// With the processes that have each of them open: the program itself, a link or a probe of it.
/// (Pins and other programs may hold it, too.)
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi prog list
  hachi prog list --type xdp --json")]
struct ListArgs {
    /// Only programs of this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let Command::List(args) = args.command;
    let mut programs = kernel::programs()?;
    if let Some(kind) = &args.kind {
        programs.retain(|program| program.type_name().eq_ignore_ascii_case(kind));
    }
    let pids = Pids::of(|held| match held {
        Held::Program(id) | Held::Link { program_id: id, .. } => Some(*id),
        Held::Probe(probe) => Some(probe.program_id),
        _ => None,
    });
    let document = || {
        let programs = programs.iter().map(|program| describe(program, &pids));
        json!({ "programs": programs.collect::<Vec<_>>() })
    };
    args.format.print(out, document, |out| {
        if programs.is_empty() {
            say!(out, "no programs are loaded")?;
        }
        let counted = programs.iter().any(|program| program.run_stats().0 > 0);
        let rows = programs.iter().map(|program| {
            let maps: Vec<String> = program.map_ids().iter().map(u32::to_string).collect();
            let (runs, time) = program.run_stats();
            let runs = match (counted, runs) {
                (false, _) => "-".to_string(),
                (true, 0) => "0".to_string(),
                (true, runs) => format!(
                    "{} ({} ns each)",
                    output::grouped(runs),
                    time.as_nanos() / u128::from(runs)
                ),
            };
            [
                program.id().to_string(),
                program.type_name(),
                program.name(),
                (program.xlated_size() / 8).to_string(),
                if program.jited_size() > 0 {
                    "yes"
                } else {
                    "no"
                }
                .to_string(),
                maps.join(" "),
                runs,
                pids.text(program.id()),
            ]
        });
        out.table(
            ["id", "type", "name", "insns", "jit", "maps", "runs", "pids"],
            rows,
        )
    })
}

fn describe(program: &ProgramInfo, pids: &Pids) -> Value {
    let (runs, time) = program.run_stats();
    json!({
        "id": program.id(),
        "type": program.type_name(),
        "name": program.name(),
        "tag": program.tag().map(|byte| format!("{byte:02x}")).concat(),
        "uid": program.uid(),
        "loaded_at_ns": u64::try_from(program.load_time().as_nanos()).ok(),
        "map_ids": program.map_ids(),
        "xlated_bytes": program.xlated_size(),
        "jited_bytes": program.jited_size(),
        "verified_insns": program.verified_insns(),
        "gpl_compatible": program.gpl_compatible(),
        "run_count": runs,
        "run_time_ns": u64::try_from(time.as_nanos()).ok(),
        "pids": pids.json(program.id()),
    })
}
