//! `hachi struct-ops`: structs of functions that the kernel calls.

use std::path::PathBuf;

use hachi::EbpfLoader;
use hachi::links::{FdLink, LinkInfo, LinkTarget, OwnedLink, loaded_links};
use hachi::maps::{MapData, MapType};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::object;
use crate::output::{Format, Output, say};
use crate::select::{self, Access};

/// List, register and unregister structs of functions: congestion controls, schedulers
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi struct-ops list
  hachi struct-ops register cubic.o --pin /sys/fs/bpf/cubic")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(ListArgs),
    Register(RegisterArgs),
    Unregister(UnregisterArgs),
}

/// List the structs of functions that are loaded, and whether they are registered
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi struct-ops list --json")]
struct ListArgs {
    #[command(flatten)]
    format: Format,
}

/// Load the structs of functions of an object, register them, and pin what holds them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi struct-ops register cubic.o --pin /sys/fs/bpf/cubic")]
struct RegisterArgs {
    /// The object file
    #[arg(value_name = "OBJECT")]
    object: PathBuf,
    /// A directory on a BPF file system, which is made: each is pinned there under its name
    #[arg(long, value_name = "DIR")]
    pin: PathBuf,
}

/// End a registration
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi struct-ops unregister cubic")]
struct UnregisterArgs {
    /// Its map: id, name, or where it is pinned
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: String,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    match args.command {
        Command::List(args) => list(args, out),
        Command::Register(args) => register(args, out),
        Command::Unregister(args) => unregister(args, out),
    }
}

fn links() -> Result<Vec<LinkInfo>> {
    loaded_links()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Failure::because("listing links", &error))
}

/// The link that registers a map, if one does.
fn link_of(links: &[LinkInfo], map: u32) -> Option<u32> {
    let registers = |link: &&LinkInfo| {
        link.type_name() == "struct_ops" && link.target() == LinkTarget::Map { id: map }
    };
    links.iter().find(registers).map(LinkInfo::id)
}

fn list(args: ListArgs, out: &mut Output) -> Result {
    let mut maps = select::maps()?;
    maps.retain(|map| map.map_type() == Some(MapType::StructOps));
    let links = links()?;
    let state = |id: u32| {
        // A map without a link is registered by its value: the second word says how it stands.
        let value = MapData::from_id(id).and_then(|map| map.lookup_bytes(&[0; 4], 0));
        let word = value.ok().flatten().and_then(|value| {
            let word: [u8; 4] = value.get(4..8)?.try_into().ok()?;
            Some(u32::from_ne_bytes(word))
        });
        match word {
            Some(0) => "init",
            Some(1) => "in use",
            Some(2) => "to be freed",
            Some(3) => "ready",
            _ => "unknown",
        }
    };
    let document = || {
        let structs = maps.iter().map(|map| {
            json!({
                "map_id": map.id(),
                "name": map.name(),
                "state": state(map.id()),
                "link_id": link_of(&links, map.id()),
            })
        });
        json!({ "struct_ops": structs.collect::<Vec<Value>>() })
    };
    args.format.print(out, document, |out| {
        if maps.is_empty() {
            return say!(out, "no structs of functions are loaded");
        }
        let rows = maps.iter().map(|map| {
            let link = link_of(&links, map.id());
            [
                map.id().to_string(),
                map.name(),
                state(map.id()).to_owned(),
                link.map_or_else(|| "-".to_owned(), |id| id.to_string()),
            ]
        });
        out.table(["map", "name", "state", "link"], rows)
    })
}

fn register(args: RegisterArgs, out: &mut Output) -> Result {
    let object = object::open(&args.object)?;
    let failed = |error: &(dyn std::error::Error + 'static)| Failure::because("", error);
    let mut loaded = EbpfLoader::new()
        .load_spec(object.spec)
        .map_err(|error| failed(&error))?;
    let links = loaded.attach_struct_ops().map_err(|error| failed(&error))?;
    if links.is_empty() {
        let shown = args.object.display();
        return Err(
            Failure::new(format_args!("{shown} has no structs of functions"))
                .help("those are variables in section .struct_ops.link"),
        );
    }
    // What is pinned stays; where one cannot be, those before it go again.
    let mut pinned = Vec::new();
    for (name, link) in links {
        let path = args.pin.join(&name);
        let OwnedLink::Fd(link) = link else {
            return Err(Failure::missing(format_args!(
                "registering {name} by a link needs Linux ≥ 6.4 and section .struct_ops.link"
            )));
        };
        match link.pin(&path) {
            Ok(link) => pinned.push((name, path, link)),
            Err(error) => {
                for (_, _, link) in pinned {
                    let _ = link.unpin();
                }
                return Err(failed(&error));
            }
        }
    }
    for (name, path, _) in &pinned {
        say!(out, "registered ", name, ", pinned at ", path.display())?;
    }
    Ok(())
}

fn unregister(args: UnregisterArgs, out: &mut Output) -> Result {
    let mut map = select::map(&args.map, Access::Write)?;
    if map.map_type() != Some(MapType::StructOps) {
        return Err(Failure::usage(format_args!(
            "map {} is a {}, and no struct of functions",
            map.name(),
            map.type_name()
        ))
        .help("hachi struct-ops list"));
    }
    let id = map
        .info()
        .map_err(|error| Failure::because("", &error))?
        .id();
    let name = map.name().to_owned();
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::because(format_args!("unregistering {name}"), error)
    };
    match link_of(&links()?, id) {
        Some(link) => FdLink::from_id(link)
            .and_then(FdLink::detach)
            .map_err(|error| failed(&error))?,
        None => match map.delete_bytes(&[0; 4]) {
            Ok(true) => {}
            Ok(false) => {
                return Err(Failure::new(format_args!("{name} is not registered")));
            }
            Err(error) => return Err(failed(&error)),
        },
    }
    say!(out, "unregistered ", name)
}
