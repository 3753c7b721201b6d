//! `hachi btf list`: the type information that is loaded.

use hachi::{Held, loaded_btf};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::kernel::{self, Pids};
use crate::output::{self, Format, Output};
use crate::select;

/// List the type information that is loaded: of the kernel, its modules, programs and maps
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi btf list
  hachi btf list --json")]
pub struct Args {
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let all = loaded_btf()
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| Failure::because("listing BTF", &error))?;
    let programs = kernel::programs()?;
    let maps = select::maps()?;
    let pids = Pids::of(|held| match held {
        Held::Btf(id) => Some(*id),
        _ => None,
    })?;
    let programs_of = |id: u32| -> Vec<u32> {
        let of = programs
            .iter()
            .filter(|program| program.btf_id() == Some(id));
        of.map(|program| program.id()).collect()
    };
    let maps_of = |id: u32| -> Vec<u32> {
        let of = maps.iter().filter(|map| map.btf_id() == Some(id));
        of.map(|map| map.id()).collect()
    };
    let document = || {
        let all = all.iter().map(|btf| {
            json!({
                "id": btf.id,
                "bytes": btf.size,
                "kernel": btf.kernel,
                "program_ids": programs_of(btf.id),
                "map_ids": maps_of(btf.id),
                "pids": pids.json(btf.id),
            })
        });
        json!({ "btf": all.collect::<Vec<Value>>() })
    };
    args.format.print(out, document, |out| {
        let ids = |ids: Vec<u32>| match ids.is_empty() {
            true => "-".to_owned(),
            false => ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
        };
        let rows = all.iter().map(|btf| {
            [
                btf.id.to_string(),
                btf.kernel.clone().unwrap_or_else(|| "-".to_owned()),
                output::grouped(btf.size.into()),
                ids(programs_of(btf.id)),
                ids(maps_of(btf.id)),
                pids.text(btf.id),
            ]
        });
        out.table(["id", "of", "bytes", "programs", "maps", "pids"], rows)
    })
}
