//! `hachi btf`: type information, of kernels and of objects.

mod find;
mod layout;
pub mod source;

use crate::failure::Result;

/// Look into type information (BTF), of kernels and of objects
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Find(find::Args),
    Layout(layout::Args),
}

pub fn run(args: Args) -> Result {
    match args.command {
        Command::Find(args) => find::run(args),
        Command::Layout(args) => layout::run(args),
    }
}
