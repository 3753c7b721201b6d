//! `hachi map dump`: all elements of a map.

use hachi::maps::{MapData, MapError};
use serde_json::{Value, json};

use super::codec::Codec;
use super::{CpuArgs, describe};
use crate::failure::{Failure, Result};
use crate::output::{self, Format, Output, dim, say};
use crate::select::{self, Access};

/// Print the elements of a map, by the types of its keys and values
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi map dump /sys/fs/bpf/xdp-firewall/COUNTERS
  hachi map dump BLOCKLIST
  hachi map dump COUNTERS --sum
  hachi map dump 17 --json")]
pub struct Args {
    /// Its id, its name, or where it is pinned
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: String,
    /// Stop after this many elements
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    cpus: CpuArgs,
    #[command(flatten)]
    format: Format,
}

/// Types whose elements cannot be looked up from user space, with how else to look inside.
fn not_listable(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "ringbuf" => "it carries events; `hachi run` counts them as they come",
        "perf_event_array" => "it carries events, to the program that opened it",
        "user_ringbuf" => "it carries messages to the eBPF program",
        "queue" | "stack" => "`hachi map peek` shows the next, `hachi map pop` takes it out",
        "bloom_filter" => {
            "it only answers whether a value was added; `hachi map peek` asks for one"
        }
        "arena" => "it is memory, not elements",
        "struct_ops" => "it holds kernel callbacks",
        "sk_storage" | "inode_storage" | "task_storage" | "cgrp_storage" => {
            "each belongs to a socket, a file, a task or a cgroup, and is found by that only"
        }
        _ => return None,
    })
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let map = select::map(&args.map, Access::Read)?;
    let codec = Codec::of(&map)?;
    let info = codec.info();
    if let Some(why) = not_listable(&info.type_name()) {
        return Err(Failure::new(format!(
            "map {} is a {}, whose elements cannot be listed: {why}",
            info.name(),
            info.type_name()
        )));
    }
    let cpus = args.cpus.cpus();
    codec.check_cpus(cpus)?;
    let limit = args.limit.unwrap_or(usize::MAX);
    match args.format.json {
        true => {
            let mut entries = Vec::new();
            let unread = |key: &[u8], error: &MapError| Ok(codec.unread_json(key, error));
            each(&map, limit, |key, value| {
                entries.push(match value {
                    Ok(value) => codec.json(key, value, cpus)?,
                    Err(error) => unread(key, error)?,
                });
                Ok(())
            })?;
            out.json(&json!({ "map": describe(info), "entries": Value::Array(entries) }))
        }
        false => {
            let (mut count, mut unread) = (0, 0);
            each(&map, limit, |key, value| {
                count += 1;
                match value {
                    Ok(value) => codec.show(key, value, cpus, out),
                    Err(_) => {
                        unread += 1;
                        codec.show_unread(key, out)
                    }
                }
            })?;
            if unread > 0 {
                let (values, kind) = (output::count(unread, "value"), info.type_name());
                out.warn(format_args!(
                    "{values} of this {kind} cannot be read from user space"
                ))?;
            }
            say!(out, dim(output::count(count, "element")))
        }
    }
}

/// Hands over every element, up to `limit`.
pub fn each(
    map: &MapData,
    limit: usize,
    mut take: impl FnMut(&[u8], std::result::Result<&[u8], &MapError>) -> Result,
) -> Result {
    let failed =
        |error: MapError| Failure::because(format_args!("reading map {}", map.name()), &error);
    let mut elements = map.iter_bytes();
    let mut seen = 0;
    while seen < limit {
        match elements.advance() {
            Ok(true) => take(elements.key(), Ok(elements.value()))?,
            Ok(false) => return Ok(()),
            // Where the first value cannot be read, none can: then there are keys at least.
            Err(_) if seen == 0 => break,
            Err(error) => return Err(failed(error)),
        }
        seen += 1;
    }
    if seen == limit {
        return Ok(());
    }
    for key in map.key_bytes().take(limit) {
        let key = key.map_err(failed)?;
        match map.lookup_bytes(&key, 0) {
            // It is gone by now.
            Ok(None) => {}
            Ok(Some(value)) => take(&key, Ok(&value))?,
            Err(error) => take(&key, Err(&error))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hachi run` reads ring buffers alone.
    #[test]
    fn run_is_named_for_ring_buffers_only() {
        for (kind, is_read) in [
            ("ringbuf", true),
            ("perf_event_array", false),
            ("user_ringbuf", false),
        ] {
            let why = not_listable(kind).expect("it has no elements");
            assert_eq!(why.contains("hachi run"), is_read, "{kind}: {why}");
        }
    }
}
