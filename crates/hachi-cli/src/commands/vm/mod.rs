//! `hachi vm`: programs run without a kernel.

mod conformance;
mod debug;
mod entries;
mod run;
mod trace;

use crate::failure::Result;
use crate::output::Output;

/// Run programs without a kernel, every access checked
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi vm run firewall.o --pcap in.pcap
  hachi vm trace firewall.o --pcap in.pcap --packet 3
  hachi vm debug firewall.o --pcap in.pcap
  echo 'b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00' | hachi vm conformance")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Run(Box<run::Args>),
    Trace(Box<trace::Args>),
    Debug(Box<debug::Args>),
    Conformance(conformance::Args),
}

pub fn run(args: Args, out: &mut Output) -> Result {
    match args.command {
        Command::Run(args) => run::run(*args, out),
        Command::Trace(args) => trace::run(*args, out),
        Command::Debug(args) => debug::run(*args, out),
        Command::Conformance(args) => conformance::run(args, out),
    }
}
