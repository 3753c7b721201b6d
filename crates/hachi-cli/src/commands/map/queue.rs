//! `hachi map push|pop|peek`: maps without keys.

use hachi::maps::{ElementFlags, MapData, MapError, MapType};
use serde_json::json;

use super::codec::{Codec, Cpus};
use super::{describe, failed, not_written};
use crate::failure::{Failure, Kind, Result};
use crate::output::{Format, Output, say};
use crate::select::{self, Access};

/// Add a value to a queue, a stack or a Bloom filter
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi map push JOBS 42")]
pub struct PushArgs {
    /// Its id, its name, or where it is pinned
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: String,
    /// The value, as for `hachi map set`
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: String,
    /// When there is no room, drop the oldest
    #[arg(long)]
    force: bool,
}

/// Take the next value out of a queue or a stack and print it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi map pop JOBS --json")]
pub struct PopArgs {
    /// Its id, its name, or where it is pinned
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: String,
    #[command(flatten)]
    format: Format,
}

/// Print the next value of a queue or a stack, or ask a Bloom filter about one
///
/// A value that a Bloom filter does not have is exit code 1. What it says it has, it may not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi map peek JOBS
  hachi map peek SEEN 10.0.0.1")]
pub struct PeekArgs {
    /// Its id, its name, or where it is pinned
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: String,
    /// Of a Bloom filter, the value asked about
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: Option<String>,
    #[command(flatten)]
    format: Format,
}

/// The map, if it is of one of these types.
fn open(wanted: &str, access: Access, kinds: &[MapType]) -> Result<(MapData, Codec)> {
    let map = select::map(wanted, access)?;
    let codec = Codec::of(&map)?;
    if map.map_type().is_some_and(|kind| kinds.contains(&kind)) {
        return Ok((map, codec));
    }
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    Err(Failure::usage(format_args!(
        "map {} is a {}, and no {}",
        map.name(),
        map.type_name(),
        kinds.join(", ")
    ))
    .help("elements with keys are for hachi map get, set and delete"))
}

const LINES: [MapType; 2] = [MapType::Queue, MapType::Stack];
const ALL: [MapType; 3] = [MapType::Queue, MapType::Stack, MapType::BloomFilter];

pub fn push(args: PushArgs, _: &mut Output) -> Result {
    let kinds: &[MapType] = if args.force { &LINES } else { &ALL };
    let (mut map, codec) = open(&args.map, Access::Write, kinds)?;
    let value = codec.value(&args.value, None, None)?;
    let flags = match args.force {
        true => ElementFlags::EXIST,
        false => ElementFlags::ANY,
    };
    map.update_bytes(&[], &value.bytes, flags).map_err(|error| {
        let failure = not_written(&map, &error);
        match &error {
            MapError::SyscallError { error, .. } if error.errno() == libc::E2BIG => {
                failure.help("the map is full; --force drops the oldest value, where there is one")
            }
            _ => failure,
        }
    })
}

fn print(codec: &Codec, value: Option<Vec<u8>>, format: Format, out: &mut Output) -> Result {
    let info = codec.info();
    let Some(value) = value else {
        return Err(Failure::new(format_args!("map {} is empty", info.name())));
    };
    match format.json {
        true => {
            let entry = codec.json(&[], &value, Cpus::Each)?;
            out.json(&json!({ "map": describe(info), "value": entry["value"] }))
        }
        false => say!(out, codec.value_text(&value)),
    }
}

pub fn pop(args: PopArgs, out: &mut Output) -> Result {
    let (mut map, codec) = open(&args.map, Access::Write, &LINES)?;
    let taken = map.take_bytes(&[], 0);
    let value = taken.map_err(|error| not_written(&map, &error))?;
    print(&codec, value, args.format, out)
}

pub fn peek(args: PeekArgs, out: &mut Output) -> Result {
    let (map, codec) = open(&args.map, Access::Read, &ALL)?;
    let reading = |error: MapError| failed(&error);
    let is_filter = map.map_type() == Some(MapType::BloomFilter);
    match (&args.value, is_filter) {
        (None, false) => {
            let value = map.lookup_bytes(&[], 0).map_err(reading)?;
            print(&codec, value, args.format, out)
        }
        (Some(text), true) => {
            let mut value = codec.value(text, None, None)?;
            let has = map
                .lookup_bytes_into(&[], &mut value.bytes, 0)
                .map_err(reading)?;
            let document = || json!({ "map": describe(codec.info()), "perhaps": has });
            args.format.print(out, document, |out| match has {
                true => say!(out, map.name(), " has probably seen ", text),
                false => say!(out, map.name(), " has not seen ", text),
            })?;
            match has {
                true => Ok(()),
                false => Err(Failure::silent(Kind::Failed)),
            }
        }
        (None, true) => Err(Failure::usage(
            "a Bloom filter is asked about a value: hachi map peek MAP VALUE",
        )),
        (Some(_), false) => Err(Failure::usage("only a Bloom filter is asked about a value")),
    }
}
