//! `hachi vm`: programs run without a kernel.

mod conformance;

use crate::failure::Result;
use crate::output::Output;

/// Run programs without a kernel, every access checked
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  echo 'b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00' | hachi vm conformance")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Conformance(conformance::Args),
}

pub fn run(args: Args, out: &mut Output) -> Result {
    match args.command {
        Command::Conformance(args) => conformance::run(args, out),
    }
}
