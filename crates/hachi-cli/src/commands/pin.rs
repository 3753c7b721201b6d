//! `hachi pin` and `hachi unpin`: names in the BPF file system.

use std::path::{Path, PathBuf};

use hachi::links::{FdLink, LinkInfo};
use hachi::pin::ObjectKind;
use hachi::programs::ProgramInfo;
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::output::{Format, Output, bold, dim, path_text, say};
use crate::select::{self, Access};
use crate::{kernel, pins};

/// Pin a program, map or link, so that it stays when the process that made it ends; list pins
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi pin link 12 /sys/fs/bpf/firewall
  hachi pin ls
  hachi pin tree /sys/fs/bpf/firewall")]
pub struct PinArgs {
    #[command(subcommand)]
    command: PinCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PinCommand {
    Prog(ProgArgs),
    Map(MapArgs),
    Link(LinkArgs),
    Ls(ListArgs),
    Tree(TreeArgs),
}

/// Pin a program
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi pin prog 31 /sys/fs/bpf/prog")]
struct ProgArgs {
    /// Its id, its name, its tag, or where it is pinned already
    #[arg(value_name = "PROGRAM")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::programs))]
    program: String,
    /// Where to pin it, on a BPF file system; missing directories are made
    path: PathBuf,
}

/// Pin a map
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi pin map BLOCKLIST /sys/fs/bpf/blocklist")]
struct MapArgs {
    /// Its id, its name, or where it is pinned already
    #[arg(value_name = "MAP")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::maps))]
    map: String,
    /// Where to pin it, on a BPF file system; missing directories are made
    path: PathBuf,
}

/// Pin a link, so that its program stays attached
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi pin link 12 /sys/fs/bpf/firewall")]
struct LinkArgs {
    /// Its id, the name of its program, or where it is pinned already
    #[arg(value_name = "LINK")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::links))]
    link: String,
    /// Where to pin it, on a BPF file system; missing directories are made
    path: PathBuf,
}

/// List all pins on the BPF file systems that are mounted here, with what they are of
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi pin ls
  hachi pin ls /sys/fs/bpf/firewall --json")]
struct ListArgs {
    /// Only those below this directory
    #[arg(value_name = "DIR")]
    below: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// Show pins as a tree of directories
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi pin tree")]
struct TreeArgs {
    /// Only those below this directory
    #[arg(value_name = "DIR")]
    below: Option<PathBuf>,
}

/// Remove pins; what nothing else holds goes with them
///
/// A link that only its pin holds is detached.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi unpin /sys/fs/bpf/firewall
  hachi unpin --recursive /sys/fs/bpf/xdp-firewall")]
pub struct UnpinArgs {
    /// Pins to remove
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Remove directories with all pins in them
    #[arg(short, long)]
    recursive: bool,
}

pub fn pin(args: PinArgs, out: &mut Output) -> Result {
    let path = match args.command {
        PinCommand::Ls(args) => return list(args, out),
        PinCommand::Tree(args) => return tree(args, out),
        PinCommand::Map(args) => {
            select::map(&args.map, Access::Write)?
                .pin(&args.path)
                .map_err(|error| Failure::because("", &error))?;
            args.path
        }
        PinCommand::Link(args) => {
            let link = select::link(&args.link)?;
            let link = FdLink::from_id(link.id()).map_err(|error| Failure::because("", &error))?;
            // The pin keeps the attachment; our own descriptor may go.
            link.pin(&args.path)
                .map_err(|error| Failure::because("", &error))?;
            args.path
        }
        PinCommand::Prog(args) => {
            let info: ProgramInfo = select::program(&args.program)?;
            info.pin(&args.path)
                .map_err(|error| Failure::because("", &error))?;
            args.path
        }
    };
    say!(out, path.display())
}

/// A pin, and what it is of.
struct Pinned {
    path: PathBuf,
    kind: &'static str,
    id: u32,
    name: String,
}

/// The pins below a directory, or all.
fn pinned(below: Option<&Path>) -> Result<Vec<Pinned>> {
    if let Some(dir) = below {
        let about = std::fs::metadata(dir)
            .map_err(|error| Failure::because(format_args!("reading {}", dir.display()), &error))?;
        if !about.is_dir() {
            return Err(Failure::new(format_args!(
                "{} is not a directory",
                dir.display()
            )));
        }
    }
    let all = pins::all()?.into_iter();
    let wanted = all.filter(|(path, ..)| below.is_none_or(|dir| path.starts_with(dir)));
    let pins = wanted.map(|(path, kind, id)| {
        let (kind, name) = match kind {
            ObjectKind::Program => ("prog", kernel::program_name(id)),
            ObjectKind::Map => (
                "map",
                match hachi::maps::MapInfo::from_pin(&path) {
                    Ok(map) => map.name(),
                    Err(_) => "?".to_owned(),
                },
            ),
            _ => (
                "link",
                match LinkInfo::from_pin(&path) {
                    Ok(link) => kernel::program_name(link.program_id()),
                    Err(_) => "?".to_owned(),
                },
            ),
        };
        Pinned {
            path,
            kind,
            id,
            name,
        }
    });
    Ok(pins.collect())
}

fn list(args: ListArgs, out: &mut Output) -> Result {
    let pins = pinned(args.below.as_deref())?;
    let document = || {
        let pins: Vec<Value> = pins
            .iter()
            .map(|pin| {
                json!({
                    "path": path_text(&pin.path),
                    "kind": pin.kind,
                    "id": pin.id,
                    "name": pin.name,
                })
            })
            .collect();
        json!({ "pins": pins })
    };
    args.format.print(out, document, |out| {
        if pins.is_empty() {
            return say!(out, "nothing is pinned");
        }
        let rows = pins.iter().map(|pin| {
            [
                pin.kind.to_owned(),
                pin.id.to_string(),
                pin.name.clone(),
                pin.path.display().to_string(),
            ]
        });
        out.table(["kind", "id", "name", "path"], rows)
    })
}

fn tree(args: TreeArgs, out: &mut Output) -> Result {
    let pins = pinned(args.below.as_deref())?;
    if pins.is_empty() {
        return say!(out, "nothing is pinned");
    }
    // Directories above the pin shown last.
    let mut open: Vec<PathBuf> = Vec::new();
    for pin in &pins {
        let mut above: Vec<&Path> = pin.path.ancestors().skip(1).collect();
        above.reverse();
        let above: Vec<&Path> = above
            .into_iter()
            .filter(|dir| dir.starts_with("/sys/fs/bpf") || args.below.is_some())
            .filter(|dir| {
                args.below
                    .as_deref()
                    .is_none_or(|below| dir.starts_with(below))
            })
            .collect();
        let same = open.iter().zip(&above).take_while(|(a, b)| a == *b).count();
        for (depth, dir) in above.iter().enumerate().skip(same) {
            let name = match depth {
                0 => dir.display().to_string(),
                _ => file_name(dir),
            };
            say!(out, "  ".repeat(depth), bold(name), "/")?;
        }
        open = above.iter().map(|dir| dir.to_path_buf()).collect();
        let about = dim(format!("{} {}, {}", pin.kind, pin.id, pin.name));
        say!(
            out,
            "  ".repeat(above.len()),
            file_name(&pin.path),
            "  ",
            about
        )?;
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub fn unpin(args: UnpinArgs, out: &mut Output) -> Result {
    for path in &args.paths {
        let is_dir = match std::fs::symlink_metadata(path) {
            Ok(entry) => Some(entry.is_dir()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Failure::because(
                    format_args!("looking at {}", path.display()),
                    &error,
                ));
            }
        };
        // What is not there may have been left under the name of one in the making.
        if args.recursive && is_dir.unwrap_or(true) {
            pins::remove_all(path, out)?;
            continue;
        }
        hachi::pin::unpin(path).map_err(|error| {
            let failure = Failure::because("", &error);
            match is_dir {
                Some(true) => failure.help(format_args!(
                    "to remove all pins in it: {}",
                    pins::undo_command(path)
                )),
                _ => failure,
            }
        })?;
        say!(out, "unpinned ", path.display())?;
    }
    Ok(())
}
