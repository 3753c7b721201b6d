//! `hachi map get|set|delete`: single elements, and many from a document.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use hachi::maps::{ElementFlags, MapData, MapError, MapType};
use serde_json::Value;

use super::codec::Codec;
use super::{CpuArgs, describe, failed, not_written};
use crate::failure::{Failure, Result};
use crate::output::{self, Format, Output, say};
use crate::select::{self, Access};

/// Print the value of a key
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi map get COUNTERS 0
  hachi map get COUNTERS 0 --sum
  hachi map get FLOWS '{\"source\": [10, 0, 0, 1], \"port\": 80}' --json
  hachi map get BLOCKLIST 10.0.0.1/32")]
pub struct GetArgs {
    /// Its id, its name, or where it is pinned
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: String,
    /// The key: a number, an address, a prefix, text or JSON, as its type has it; `hex:` and bytes
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: String,
    #[command(flatten)]
    cpus: CpuArgs,
    #[command(flatten)]
    format: Format,
}

/// Set the value of a key, or many from a document of `hachi map dump --json`
///
/// Of a per-CPU map, the value of all CPUs is set, or of one; the others' are written back as they
/// were read then. Programs, inner maps, cgroups and interfaces are values by their name.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi map set BLOCKLIST 10.0.0.1/32 true
  hachi map set LIMITS 0 '{\"rate\": 100, \"burst\": 20}'
  hachi map set JUMPS 3 handle_udp        # a program into a program array
  hachi map dump FLOWS --json | hachi map set FLOWS --from -")]
pub struct SetArgs {
    /// Its id, its name, or where it is pinned
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: String,
    /// The key, as for `hachi map get`
    #[arg(
        value_name = "KEY",
        allow_hyphen_values = true,
        required_unless_present = "from"
    )]
    key: Option<String>,
    /// The value, in the same forms
    #[arg(
        value_name = "VALUE",
        allow_hyphen_values = true,
        required_unless_present = "from"
    )]
    value: Option<String>,
    /// Only if the key is not there yet
    #[arg(long, conflicts_with = "existing")]
    new: bool,
    /// Only if the key is there already
    #[arg(long)]
    existing: bool,
    /// Of a per-CPU map, the value of this CPU only
    #[arg(long, value_name = "N", conflicts_with = "from")]
    cpu: Option<usize>,
    /// Set the entries of this file, which `hachi map dump --json` has printed; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "value"])]
    from: Option<PathBuf>,
}

/// Remove a key
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi map delete BLOCKLIST 10.0.0.1/32")]
pub struct DeleteArgs {
    /// Its id, its name, or where it is pinned
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: String,
    /// The key, as for `hachi map get`
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: String,
}

fn no_key(map: &MapData, codec: &Codec, key: &[u8]) -> Failure {
    Failure::new(format_args!(
        "map {} has no key {}",
        map.name(),
        codec.key_text(key)
    ))
}

/// Maps without keys have commands of their own.
fn check_keys(codec: &Codec) -> Result {
    let info = codec.info();
    if info.key_size() > 0 {
        return Ok(());
    }
    Err(Failure::usage(format_args!(
        "map {} is a {}, which has no keys",
        info.name(),
        info.type_name()
    ))
    .help("hachi map push, hachi map pop and hachi map peek"))
}

pub fn get(args: GetArgs, out: &mut Output) -> Result {
    let map = select::map(&args.map, Access::Read)?;
    let codec = Codec::of(&map)?;
    check_keys(&codec)?;
    let cpus = args.cpus.cpus();
    codec.check_cpus(cpus)?;
    let key = codec.key(&args.key)?;
    let value = map
        .lookup_bytes(&key, 0)
        .map_err(|error| failed(&error))?
        .ok_or_else(|| no_key(&map, &codec, &key))?;
    match args.format.json {
        true => {
            let mut entry = codec.json(&key, &value, cpus)?;
            entry["map"] = describe(codec.info());
            out.json(&entry)
        }
        false => codec.show(&key, &value, cpus, out),
    }
}

pub fn set(args: SetArgs, out: &mut Output) -> Result {
    let mut map = select::map(&args.map, Access::Write)?;
    let codec = Codec::of(&map)?;
    check_keys(&codec)?;
    let flags = match (args.new, args.existing) {
        (true, _) => ElementFlags::NO_EXIST,
        (_, true) => ElementFlags::EXIST,
        _ => ElementFlags::ANY,
    };
    if let Some(path) = &args.from {
        return set_all(&mut map, &codec, path, flags, out);
    }
    let (Some(key), Some(value)) = (&args.key, &args.value) else {
        return Err(Failure::usage("give a key and a value, or --from"));
    };
    let key = codec.key(key)?;
    let old = match args.cpu {
        Some(_) => map.lookup_bytes(&key, 0).map_err(|error| failed(&error))?,
        None => None,
    };
    let value = codec.value(value, args.cpu, old)?;
    map.update_bytes(&key, &value.bytes, flags)
        .map_err(|error| why_not_set(&map, &codec, &key, flags, &error))
}

fn why_not_set(
    map: &MapData,
    codec: &Codec,
    key: &[u8],
    flags: ElementFlags,
    error: &MapError,
) -> Failure {
    let failure = not_written(map, error);
    let errno = match error {
        MapError::SyscallError { error, .. } => error.errno(),
        _ => 0,
    };
    let key = codec.key_text(key);
    match errno {
        libc::EEXIST if flags == ElementFlags::NO_EXIST => {
            Failure::new(format_args!("map {} has the key {key} already", map.name()))
                .help("without --new its value is replaced")
        }
        libc::ENOENT if flags == ElementFlags::EXIST => {
            Failure::new(format_args!("map {} has no key {key}", map.name()))
                .help("without --existing it is made")
        }
        libc::E2BIG if is_array(map) => failure.help(format_args!(
            "its keys are from 0 to {}",
            map.max_entries().saturating_sub(1)
        )),
        libc::E2BIG => failure.help(format_args!(
            "the map is full: it holds {} elements at most",
            output::grouped(map.max_entries().into())
        )),
        _ => failure,
    }
}

fn is_array(map: &MapData) -> bool {
    map.type_name().contains("array") || map.map_type() == Some(MapType::Devmap)
}

/// The longest document that is read.
const LONGEST: u64 = 1 << 30;

/// All entries are understood before the first is written.
fn set_all(
    map: &mut MapData,
    codec: &Codec,
    path: &Path,
    flags: ElementFlags,
    out: &mut Output,
) -> Result {
    let reading = |error| Failure::because(format_args!("reading {}", path.display()), &error);
    let mut text = String::new();
    match path.as_os_str() == "-" {
        true => std::io::stdin().take(LONGEST).read_to_string(&mut text),
        false => File::open(path)
            .map_err(reading)?
            .take(LONGEST)
            .read_to_string(&mut text),
    }
    .map_err(reading)?;
    let document: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::new(format_args!("{} is not JSON: {error}", path.display())))?;
    let entries = match (&document, &document["entries"]) {
        (Value::Array(entries), _) | (_, Value::Array(entries)) => entries,
        _ => {
            return Err(
                Failure::new(format_args!("{} has no list of entries", path.display()))
                    .help("it must be as `hachi map dump --json` prints it"),
            );
        }
    };
    let mut elements = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let element = |entry| Ok((codec.key_of_json(entry)?, codec.value_of_json(entry)?));
        let element: Result<_> = element(entry);
        elements.push(element.map_err(|failure| Failure {
            message: format!("entry {at}: {}", failure.message),
            ..failure
        })?);
    }
    for (at, (key, value)) in elements.iter().enumerate() {
        map.update_bytes(key, &value.bytes, flags)
            .map_err(|error| {
                let failure = why_not_set(map, codec, key, flags, &error);
                Failure {
                    message: format!(
                        "{}; {} written before it",
                        failure.message,
                        output::count(at, "entry").replace("entrys", "entries")
                    ),
                    ..failure
                }
            })?;
    }
    let written = elements.len();
    say!(out, output::grouped(written as u64), " written")
}

pub fn delete(args: DeleteArgs, _: &mut Output) -> Result {
    let mut map = select::map(&args.map, Access::Write)?;
    let codec = Codec::of(&map)?;
    check_keys(&codec)?;
    let key = codec.key(&args.key)?;
    match map.delete_bytes(&key) {
        Ok(true) => Ok(()),
        Ok(false) => Err(no_key(&map, &codec, &key)),
        Err(error) => {
            let failure = not_written(&map, &error);
            Err(match is_array(&map) {
                true => failure.help("arrays have all their elements, always: set it to zero"),
                false => failure,
            })
        }
    }
}
