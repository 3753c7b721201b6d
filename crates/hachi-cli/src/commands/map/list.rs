//! `hachi map list`.

use hachi::Held;
use hachi::maps::MapInfo;
use serde_json::{Value, json};

use super::describe;
use crate::failure::Result;
use crate::kernel::Pids;
use crate::output::{self, Format, Output, say};
use crate::select;

/// List the maps that are loaded, with the processes that have them open
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi map list
  hachi map list --type ringbuf --json")]
pub struct Args {
    /// Only maps of this type
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
    let mut maps = select::maps()?;
    if let Some(kind) = &args.kind {
        maps.retain(|map| map.type_name().eq_ignore_ascii_case(kind));
    }
    let pids = Pids::of(|held| match held {
        Held::Map(id) => Some(*id),
        _ => None,
    })?;
    let listed = |map: &MapInfo| {
        let mut entry = describe(map);
        entry["pids"] = pids.json(map.id());
        entry
    };
    let document = || json!({ "maps": maps.iter().map(listed).collect::<Vec<Value>>() });
    args.format.print(out, document, |out| {
        if maps.is_empty() {
            say!(out, "no maps are loaded")?;
        }
        let rows = maps.iter().map(|map| {
            [
                map.id().to_string(),
                map.name(),
                map.type_name(),
                map.key_size().to_string(),
                map.value_size().to_string(),
                output::grouped(map.max_entries().into()),
                pids.text(map.id()),
            ]
        });
        out.table(
            ["id", "name", "type", "key", "value", "max entries", "pids"],
            rows,
        )
    })
}
