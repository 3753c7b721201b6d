//! `hachi pin` and `hachi unpin`: names in the BPF file system.

use std::path::PathBuf;

use hachi::links::FdLink;
use hachi::programs::ProgramInfo;

use crate::commands::map;
use crate::failure::{Failure, Result};
use crate::output::{Output, say};
use crate::{kernel, pins};

/// Pin a program, map or link, so that it stays when the process that made it ends
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi pin link 12 /sys/fs/bpf/firewall
  hachi pin map BLOCKLIST /sys/fs/bpf/blocklist
  hachi pin prog 31 /sys/fs/bpf/prog")]
pub struct PinArgs {
    /// What kind of thing it is
    #[arg(value_enum)]
    kind: ObjectKind,
    /// Its id (or name, for maps and programs)
    #[arg(value_name = "ID|NAME")]
    object: String,
    /// Where to pin it, on a BPF file system; missing directories are made
    path: PathBuf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ObjectKind {
    Prog,
    Map,
    Link,
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
    let id = || {
        args.object.parse::<u32>().map_err(|_| {
            Failure::usage(format!("`{}` is not the id of a link", args.object))
                .help("`hachi link list` prints the ids")
        })
    };
    let path = &args.path;
    match args.kind {
        ObjectKind::Map => map::find(&args.object)?
            .pin(path)
            .map_err(|error| Failure::because("", &error))?,
        ObjectKind::Link => {
            let link = FdLink::from_id(id()?).map_err(|error| Failure::because("", &error))?;
            // The pin keeps the attachment; our own descriptor may go.
            link.pin(path)
                .map_err(|error| Failure::because("", &error))?;
        }
        ObjectKind::Prog => {
            let info: ProgramInfo = kernel::find_program(&args.object)?;
            info.pin(path)
                .map_err(|error| Failure::because("", &error))?;
        }
    }
    say!(out, path.display())
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
