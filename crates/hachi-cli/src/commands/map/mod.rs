//! `hachi map`: maps of the running system.

mod codec;
mod dump;
mod element;
mod freeze;
mod list;
mod queue;
mod show;
mod watch;

use hachi::maps::{MapData, MapError, MapInfo};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::kernel::fdinfo;
use crate::output::Output;
use codec::Cpus;

/// List maps, and read and write what is in them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A map is named by its id, its name, or the path of its pin.

Examples:
  hachi map list
  hachi map dump BLOCKLIST
  hachi map set BLOCKLIST 10.0.0.1/32 true")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Dump(dump::Args),
    Get(element::GetArgs),
    Set(element::SetArgs),
    Delete(element::DeleteArgs),
    Push(queue::PushArgs),
    Pop(queue::PopArgs),
    Peek(queue::PeekArgs),
    Freeze(freeze::Args),
    Watch(watch::Args),
}

pub fn run(args: Args, out: &mut Output) -> Result {
    match args.command {
        Command::List(args) => list::run(args, out),
        Command::Show(args) => show::run(args, out),
        Command::Dump(args) => dump::run(args, out),
        Command::Get(args) => element::get(args, out),
        Command::Set(args) => element::set(args, out),
        Command::Delete(args) => element::delete(args, out),
        Command::Push(args) => queue::push(args, out),
        Command::Pop(args) => queue::pop(args, out),
        Command::Peek(args) => queue::peek(args, out),
        Command::Freeze(args) => freeze::run(args, out),
        Command::Watch(args) => watch::run(args, out),
    }
}

/// How the values of per-CPU maps are shown.
#[derive(Debug, Clone, Copy, clap::Args)]
struct CpuArgs {
    /// Of a per-CPU map, show the sum of the values
    #[arg(long, conflicts_with = "cpu")]
    sum: bool,
    /// Of a per-CPU map, show the value of this CPU
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
}

impl CpuArgs {
    fn cpus(self) -> Cpus {
        match (self.sum, self.cpu) {
            (true, _) => Cpus::Sum,
            (_, Some(cpu)) => Cpus::One(cpu),
            _ => Cpus::Each,
        }
    }
}

/// What the library says names the map and the operation.
fn failed(error: &MapError) -> Failure {
    Failure::because("", error)
}

/// The same of a write, which a map may refuse to everyone: that is not a lack of rights.
fn not_written(map: &MapData, error: &MapError) -> Failure {
    let is_frozen = || {
        fdinfo(map)
            .get("frozen")
            .is_some_and(|frozen| frozen != "0")
    };
    match error {
        MapError::SyscallError { error, .. } if error.errno() == libc::EPERM && is_frozen() => {
            Failure::new(format_args!(
                "map {} is frozen: user space may read it only",
                map.name()
            ))
        }
        _ => failed(error),
    }
}

/// A map in a document.
pub fn describe(map: &MapInfo) -> Value {
    json!({
        "id": map.id(),
        "name": map.name(),
        "type": map.type_name(),
        "key_size": map.key_size(),
        "value_size": map.value_size(),
        "max_entries": map.max_entries(),
        "flags": map.flags(),
        "btf_id": map.btf_id(),
    })
}
