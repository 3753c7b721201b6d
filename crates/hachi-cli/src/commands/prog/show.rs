//! `hachi prog show`: all about one program.

use hachi::maps::MapInfo;
use hachi::pin::ObjectKind;
use serde_json::{Value, json};

use super::{describe, holders, tag};
use crate::commands::link::seen;
use crate::failure::Result;
use crate::kernel::{self, fdinfo};
use crate::output::{self, Format, Output, path_text};
use crate::{pins, select};

/// Show all about one program: sizes, maps, functions, where it is attached, who holds it
///
/// Without a name, all are listed, as by `hachi prog list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi prog show firewall
  hachi prog show 3b185187f1855c4c --json")]
pub struct Args {
    /// Its id, its name, its tag, or where it is pinned
    #[arg(value_name = "PROGRAM")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::programs))]
    program: Option<String>,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let Some(wanted) = &args.program else {
        return super::list::all(args.format, out);
    };
    let program = select::program(wanted)?;
    let about = program.fd().map(fdinfo).unwrap_or_default();
    let memory = about
        .get("memlock")
        .and_then(|bytes| bytes.parse::<u64>().ok());
    let functions: Vec<String> = program
        .code()
        .map(|code| code.functions)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|function| function.name)
        .collect();
    let maps: Option<Vec<MapInfo>> = kernel::if_permitted(select::maps())?.map(|maps| {
        let maps = maps.into_iter();
        maps.filter(|map| program.map_ids().contains(&map.id()))
            .collect()
    });
    let attached: Option<Vec<seen::Attachment>> = kernel::if_permitted(seen::all())?.map(|all| {
        let all = all.into_iter();
        all.filter(|attachment| attachment.program_id == program.id())
            .collect()
    });
    let pins = pins::of(ObjectKind::Program, program.id())?;
    let pids = holders()?;
    let document = || {
        let mut document = describe(&program);
        document["memory_bytes"] = json!(memory);
        document["functions"] = json!(functions);
        document["maps"] = maps.as_ref().map_or(Value::Null, |maps| {
            let maps = maps.iter();
            maps.map(|map| json!({ "id": map.id(), "name": map.name(), "type": map.type_name() }))
                .collect()
        });
        document["attached"] = attached.as_ref().map_or(Value::Null, |links| {
            let links = links.iter();
            links
                .map(|link| json!({ "id": link.id, "type": link.kind, "target": link.target }))
                .collect()
        });
        document["pins"] = pins.iter().map(|path| path_text(path)).collect();
        document["pids"] = pids.json(program.id());
        document
    };
    args.format.print(out, document, |out| {
        let list = |all: Vec<String>| match all.is_empty() {
            true => "-".to_owned(),
            false => all.join(", "),
        };
        let (runs, time) = program.run_stats();
        let bytes = |size: u64| output::grouped(size) + " bytes";
        let insns = output::grouped(u64::from(program.xlated_size()) / 8);
        let unknown = || kernel::UNKNOWN.to_owned();
        let map = |map: &MapInfo| format!("{} (id {}, {})", map.name(), map.id(), map.type_name());
        out.fields([
            (
                "program",
                format!("{} (id {})", program.name(), program.id()),
            ),
            ("type", program.type_name()),
            ("tag", tag(&program)),
            (
                "loaded",
                format!(
                    "{} s after boot, by user {}",
                    output::grouped(program.load_time().as_secs()),
                    program.uid()
                ),
            ),
            (
                "GPL",
                if program.gpl_compatible() {
                    "yes"
                } else {
                    "no"
                }
                .to_owned(),
            ),
            ("instructions", insns),
            (
                "machine code",
                match program.jited_size() {
                    0 => "none: it is interpreted, or hidden".to_owned(),
                    size => bytes(size.into()),
                },
            ),
            (
                "verified",
                program.verified_insns().map_or_else(
                    || "-".to_owned(),
                    |walked| output::grouped(walked.into()) + " instructions",
                ),
            ),
            ("memory", memory.map_or_else(|| "-".to_owned(), bytes)),
            ("functions", list(functions.clone())),
            (
                "maps",
                maps.as_ref()
                    .map_or_else(unknown, |maps| list(maps.iter().map(map).collect())),
            ),
            (
                "attached",
                attached.as_ref().map_or_else(unknown, |links| {
                    let links = links.iter().map(|link| match link.id {
                        Some(id) => format!("{} (link {id})", link.shown),
                        None => link.shown.clone(),
                    });
                    list(links.collect())
                }),
            ),
            (
                "runs",
                match runs {
                    0 => "none counted".to_owned(),
                    runs => format!(
                        "{} ({} ns each)",
                        output::grouped(runs),
                        time.as_nanos() / u128::from(runs)
                    ),
                },
            ),
            (
                "pins",
                list(pins.iter().map(|path| path.display().to_string()).collect()),
            ),
            ("pids", pids.text(program.id())),
        ])
    })
}
