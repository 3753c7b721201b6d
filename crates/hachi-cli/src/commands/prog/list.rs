//! `hachi prog list`.

use hachi::programs::ProgramInfo;
use serde_json::{Value, json};

use super::{describe, holders};
use crate::failure::Result;
use crate::kernel;
use crate::output::{self, Format, Output, say};

/// List the programs that are loaded
///
/// With the processes that have each of them open: the program itself, a link or a probe of it.
/// (Pins and other programs may hold it, too.)
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi prog list
  hachi prog list --type xdp --json")]
pub struct Args {
    /// Only programs of this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    #[command(flatten)]
    format: Format,
}

/// All of them.
pub fn all(format: Format, out: &mut Output) -> Result {
    run(Args { kind: None, format }, out)
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let mut programs = kernel::programs()?;
    if let Some(kind) = &args.kind {
        programs.retain(|program| program.type_name().eq_ignore_ascii_case(kind));
    }
    let pids = holders()?;
    let listed = |program: &ProgramInfo| {
        let mut entry = describe(program);
        entry["pids"] = pids.json(program.id());
        entry
    };
    let document = || json!({ "programs": programs.iter().map(listed).collect::<Vec<Value>>() });
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
            let jited = match program.jited_size() {
                0 => "no",
                _ => "yes",
            };
            [
                program.id().to_string(),
                program.type_name(),
                program.name(),
                (program.xlated_size() / 8).to_string(),
                jited.to_string(),
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
