//! `hachi btf`: type information, of kernels and of objects.

mod check;
mod diff;
mod dump;
mod find;
mod layout;
mod list;
mod min;
pub mod source;
mod used;

use crate::failure::Result;
use crate::output::Output;

/// Look into type information (BTF), of kernels and of objects
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi btf find 'xdp_*'
  hachi btf layout sk_buff")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::Args),
    Dump(dump::Args),
    Find(find::Args),
    Layout(layout::Args),
    Diff(diff::Args),
    Min(min::Args),
    Check(check::Args),
}

pub fn run(args: Args, out: &mut Output) -> Result {
    match args.command {
        Command::List(args) => list::run(args, out),
        Command::Dump(args) => dump::run(args, out),
        Command::Find(args) => find::run(args, out),
        Command::Layout(args) => layout::run(args, out),
        Command::Diff(args) => diff::run(args, out),
        Command::Min(args) => min::run(args, out),
        Command::Check(args) => check::run(args, out),
    }
}
