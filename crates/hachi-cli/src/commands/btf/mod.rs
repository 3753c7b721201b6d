//! `hachi btf`: type information, of kernels and of objects.

mod diff;
mod dump;
mod find;
mod layout;
pub mod source;
mod used;

use crate::failure::Result;

/// Look into type information (BTF), of kernels and of objects
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Dump(dump::Args),
    Find(find::Args),
    Layout(layout::Args),
    Diff(diff::Args),
}

pub fn run(args: Args) -> Result {
    match args.command {
        Command::Dump(args) => dump::run(args),
        Command::Find(args) => find::run(args),
        Command::Layout(args) => layout::run(args),
        Command::Diff(args) => diff::run(args),
    }
}
