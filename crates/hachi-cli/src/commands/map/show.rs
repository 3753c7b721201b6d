//! `hachi map show`: all about one map.

use hachi::Held;
use hachi::maps::MapInfo;
use hachi::pin::ObjectKind;
use serde_json::{Value, json};

use super::describe;
use crate::failure::Result;
use crate::kernel::{self, Pids, fdinfo};
use crate::output::{self, Format, Output, path_text};
use crate::select::{self, Access};
use crate::{pins, value};

/// Show all about one map: types, memory, pins, programs that use it, processes that hold it
///
/// Without a name, all are listed, as by `hachi map list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi map show BLOCKLIST
  hachi map show /sys/fs/bpf/firewall/maps/COUNTERS --json")]
pub struct Args {
    /// Its id, its name, or where it is pinned
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: Option<String>,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let Some(wanted) = &args.map else {
        return super::list::all(args.format, out);
    };
    let map = select::map(wanted, Access::Read)?;
    let info = map.info().map_err(|error| super::failed(&error))?;
    let about = fdinfo(&map);
    let number = |name: &str| about.get(name).and_then(|value| value.parse::<u64>().ok());
    let memory = number("memlock");
    let is_frozen = number("frozen").map(|frozen| frozen != 0);
    let pins = pins::of(ObjectKind::Map, info.id())?;
    let pids = Pids::of(|held| match held {
        Held::Map(id) => Some(*id),
        _ => None,
    })?;
    let programs = kernel::if_permitted(kernel::programs())?.map(|programs| {
        let using = programs
            .iter()
            .filter(|program| program.map_ids().contains(&info.id()));
        using
            .map(|program| (program.id(), program.name()))
            .collect::<Vec<_>>()
    });
    let (key_type, value_type) = types(&info)?;
    let document = || {
        let mut document = describe(&info);
        document["key_type"] = json!(key_type);
        document["value_type"] = json!(value_type);
        document["memory_bytes"] = json!(memory);
        document["frozen"] = json!(is_frozen);
        document["map_extra"] = json!(about.get("map_extra"));
        document["pins"] = pins.iter().map(|path| path_text(path)).collect();
        document["programs"] = programs.as_ref().map_or(Value::Null, |programs| {
            let programs = programs.iter();
            programs
                .map(|(id, name)| json!({ "id": id, "name": name }))
                .collect()
        });
        document["pids"] = pids.json(info.id());
        document
    };
    args.format.print(out, document, |out| {
        let bytes = |size: u32, ty: &Option<String>| match ty {
            Some(ty) => format!("{} ({ty})", output::count(size as usize, "byte")),
            None => output::count(size as usize, "byte"),
        };
        let list = |all: Vec<String>| match all.is_empty() {
            true => "-".to_owned(),
            false => all.join(", "),
        };
        out.fields([
            ("map", format!("{} (id {})", info.name(), info.id())),
            ("type", info.type_name()),
            ("key", bytes(info.key_size(), &key_type)),
            ("value", bytes(info.value_size(), &value_type)),
            ("max entries", output::grouped(info.max_entries().into())),
            ("flags", format!("{:#x}", info.flags())),
            (
                "memory",
                memory.map_or_else(|| "-".to_owned(), |bytes| output::grouped(bytes) + " bytes"),
            ),
            (
                "frozen",
                match is_frozen {
                    Some(true) => "yes: read-only for user space".to_owned(),
                    Some(false) => "no".to_owned(),
                    None => "-".to_owned(),
                },
            ),
            (
                "programs",
                programs.as_ref().map_or_else(
                    || kernel::UNKNOWN.to_owned(),
                    |programs| {
                        let programs = programs.iter();
                        list(
                            programs
                                .map(|(id, name)| format!("{name} (id {id})"))
                                .collect(),
                        )
                    },
                ),
            ),
            (
                "pins",
                list(pins.iter().map(|path| path.display().to_string()).collect()),
            ),
            ("pids", pids.text(info.id())),
        ])
    })
}

/// The names of its key's and value's types, as C has them.
fn types(info: &MapInfo) -> Result<(Option<String>, Option<String>)> {
    let btf = kernel::btf_of(info)?;
    let (key, value) = info.btf_types();
    let name = |id: u32| value::type_name(btf.as_ref()?.types(), Some(id).filter(|id| *id != 0)?);
    Ok((name(key), name(value)))
}
