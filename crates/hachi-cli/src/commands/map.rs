//! `hachi map`: maps of the running system.

use std::path::PathBuf;

use hachi::Held;
use hachi::maps::{MapData, MapError, MapInfo, loaded_maps};
use hachi_btf::Btf;
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::kernel::{self, Pids};
use crate::output::{self, Format, Output, bold, dim, say};
use crate::value;

/// List maps, or print the contents of one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi map list
  hachi map dump BLOCKLIST")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(visible_alias = "show")]
    List(ListArgs),
    Dump(DumpArgs),
}

/// List the maps that are loaded, with the processes that have them open
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi map list --json")]
struct ListArgs {
    #[command(flatten)]
    format: Format,
}

/// Print the elements of a map, by the types of its keys and values
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi map dump /sys/fs/bpf/xdp-firewall/COUNTERS
  hachi map dump BLOCKLIST
  hachi map dump 17 --json")]
struct DumpArgs {
    /// Where it is pinned, its id, or its name
    #[arg(value_name = "PATH|ID|NAME")]
    map: String,
    /// Stop after this many elements
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    match args.command {
        Command::List(args) => list(args, out),
        Command::Dump(args) => dump(args, out),
    }
}

fn list(args: ListArgs, out: &mut Output) -> Result {
    let maps = all()?;
    let pids = Pids::of(|held| match held {
        Held::Map(id) => Some(*id),
        _ => None,
    });
    let listed = |map: &MapInfo| {
        let mut entry = describe(map);
        entry["pids"] = pids.json(map.id());
        entry
    };
    let document = || json!({ "maps": maps.iter().map(listed).collect::<Vec<_>>() });
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

fn all() -> Result<Vec<MapInfo>> {
    loaded_maps()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Failure::because("listing maps", &error))
}

fn describe(map: &MapInfo) -> Value {
    json!({
        "id": map.id(),
        "name": map.name(),
        "type": map.type_name(),
        "key_size": map.key_size(),
        "value_size": map.value_size(),
        "max_entries": map.max_entries(),
        "flags": map.flags(),
    })
}

/// Opens a map by what the user says: a path if there is a slash in it, an id if it is a number,
/// else a name.
pub fn find(wanted: &str) -> Result<MapData> {
    if wanted.contains('/') {
        return MapData::from_pin(PathBuf::from(wanted))
            .map_err(|error| Failure::because("", &error));
    }
    if let Ok(id) = wanted.parse() {
        return MapData::from_id(id).map_err(|error| {
            Failure::because(format!("opening map {id}"), &error)
                .help("`hachi map list` prints the ids there are")
        });
    }
    let short = kernel::kernel_name(wanted);
    let mut found: Vec<MapInfo> = all()?
        .into_iter()
        .filter(|map| map.name() == short)
        .collect();
    match found.len() {
        0 => Err(Failure::new(format!("no map named {wanted} is loaded"))
            .help("`hachi map list` prints those there are")),
        1 => {
            let id = found.remove(0).id();
            MapData::from_id(id)
                .map_err(|error| Failure::because(format!("opening map {wanted}"), &error))
        }
        _ => {
            let ids: Vec<String> = found.iter().map(|map| map.id().to_string()).collect();
            Err(Failure::usage(format!("several maps are named {wanted}"))
                .help(format!("give an id: {}", ids.join(", "))))
        }
    }
}

/// Types whose elements cannot be looked up from user space, with how else to look inside.
fn not_listable(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "ringbuf" | "user_ringbuf" | "perf_event_array" => {
            "it carries events; `hachi run` counts them as they come"
        }
        "queue" | "stack" => "reading an element takes it out",
        "bloom_filter" => "it only answers whether a value was added",
        "arena" => "it is memory, not elements",
        "struct_ops" => "it holds kernel callbacks",
        "sk_storage" | "inode_storage" | "task_storage" | "cgrp_storage" => {
            "each belongs to a socket, a file, a task or a cgroup, and is found by that only"
        }
        _ => return None,
    })
}

fn dump(args: DumpArgs, out: &mut Output) -> Result {
    let map = find(&args.map)?;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::because(format!("reading map {}", map.name()), error)
    };
    let info = map.info().map_err(|error| failed(&error))?;
    if let Some(why) = not_listable(&info.type_name()) {
        return Err(Failure::new(format!(
            "map {} is a {}, whose elements cannot be listed: {why}",
            info.name(),
            info.type_name()
        )));
    }
    let btf = kernel::btf_of(&info);
    let btf = btf.as_ref().map(hachi::Btf::types);
    let (key_type, value_type) = info.btf_types();
    let typed = Typed {
        btf,
        key_type,
        value_type,
        stride: map
            .is_per_cpu()
            .then(|| (info.value_size() as usize).next_multiple_of(8)),
        value_size: info.value_size() as usize,
        is_lpm: info.type_name() == "lpm_trie",
    };

    let limit = args.limit.unwrap_or(usize::MAX);
    // Where the first value cannot be read, none can: then there are keys at least.
    let mut elements = map.iter_bytes().peekable();
    let only_keys = matches!(elements.peek(), Some(Err(_)));
    let entries: Box<dyn Iterator<Item = _>> = match only_keys {
        false => Box::new(elements.map(|entry| entry.map(|(key, value)| (key, Ok(value))))),
        true => Box::new(map.key_bytes().filter_map(|key| {
            let key = match key {
                Ok(key) => key,
                Err(error) => return Some(Err(error)),
            };
            match map.lookup_bytes(&key, 0) {
                // It is gone by now.
                Ok(None) => None,
                Ok(Some(value)) => Some(Ok((key, Ok(value)))),
                Err(error) => Some(Ok((key, Err(error)))),
            }
        })),
    };
    let mut entries = entries.take(limit);
    if args.format.json {
        let entries = entries
            .map(|entry| entry.map(|(key, value)| typed.json(&key, &value)))
            .collect::<std::result::Result<Vec<Value>, _>>()
            .map_err(|error| failed(&error))?;
        return out.json(&json!({ "map": describe(&info), "entries": entries }));
    }
    let (mut count, mut unread) = (0, 0);
    entries.try_for_each(|entry| {
        let (key, value) = entry.map_err(|error| failed(&error))?;
        count += 1;
        unread += usize::from(value.is_err());
        typed.show(&key, &value, out)
    })?;
    if unread > 0 {
        let (values, kind) = (output::count(unread, "value"), info.type_name());
        out.warn(format_args!(
            "{values} of this {kind} cannot be read from user space"
        ))?;
    }
    say!(out, dim(output::count(count, "element")))
}

/// How to print the elements of one map.
struct Typed<'a> {
    btf: Option<&'a Btf<'a>>,
    key_type: u32,
    value_type: u32,
    value_size: usize,
    /// Whether keys are prefixes.
    is_lpm: bool,
    /// For per-CPU maps, the distance between two CPUs' values.
    stride: Option<usize>,
}

impl Typed<'_> {
    /// The values of each CPU (one, for other maps).
    fn values<'v>(&self, value: &'v [u8]) -> Vec<&'v [u8]> {
        match self.stride {
            Some(stride) => value
                .chunks_exact(stride)
                .map(|value| &value[..self.value_size.min(value.len())])
                .collect(),
            None => vec![value],
        }
    }

    fn json(&self, key: &[u8], value: &std::result::Result<Vec<u8>, MapError>) -> Value {
        let prefix = self
            .is_lpm
            .then(|| value::prefix(self.btf, self.key_type, key));
        let key = value::to_json(self.btf, self.key_type, key);
        let value = match value {
            Ok(value) => value,
            Err(error) => {
                return json!({ "key": key, "value": null, "error": error.to_string() });
            }
        };
        let mut values: Vec<Value> = self
            .values(value)
            .into_iter()
            .map(|value| value::to_json(self.btf, self.value_type, value))
            .collect();
        let mut entry = match self.stride {
            Some(_) => json!({ "key": key, "values": values }),
            None => json!({ "key": key, "value": values.pop() }),
        };
        if let Some(prefix) = prefix {
            entry["prefix"] = prefix.into();
        }
        entry
    }

    fn show(
        &self,
        key: &[u8],
        value: &std::result::Result<Vec<u8>, MapError>,
        out: &mut Output,
    ) -> Result {
        let key = bold(match self.is_lpm {
            true => value::prefix(self.btf, self.key_type, key),
            false => value::to_text(self.btf, self.key_type, key),
        });
        let Ok(value) = value else {
            return say!(out, key, ": ", dim("(unreadable)"));
        };
        let text = |value| value::to_text(self.btf, self.value_type, value);
        if self.stride.is_none() {
            return say!(out, key, ": ", text(value));
        }
        say!(out, key, ":")?;
        for (cpu, value) in self.values(value).into_iter().enumerate() {
            say!(out, format_args!("  cpu {cpu}: "), text(value))?;
        }
        Ok(())
    }
}
