//! The fleet side of Hachi: eBPF objects as signed OCI images, and machines kept as a description
//! says.
//!
//! This is the library behind the `hachi-agent` command, which `hachi image` and `hachi agent`
//! start. [`image`] builds, stores, sends, fetches, signs and verifies images, and needs neither
//! root nor eBPF. [`agent`] brings about what a description says, and keeps it so.

pub mod agent;
mod commands;
mod console;
mod failure;
pub mod image;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use console::Console;
pub use failure::{Failure, Kind};

/// Ship eBPF objects to machines
#[derive(Debug, Parser)]
#[command(
    name = "hachi-agent",
    version,
    arg_required_else_help = true,
    after_help = "\
Exit codes: 0 done · 1 the work could not be done · 2 wrong usage · 3 the machine lacks something

Example:
  hachi image build firewall.o -t registry.example/firewall:1.0"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(subcommand)]
    Image(commands::image::Command),
    #[command(subcommand)]
    Agent(commands::agent::Command),
}

/// Runs the command with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut console = Console::new();
    let result = match Cli::try_parse_from(arguments) {
        Ok(Cli { command }) => match command {
            Command::Image(command) => commands::image::run(command, &mut console),
            Command::Agent(command) => commands::agent::run(command, &mut console),
        },
        Err(error) => {
            let code = error.exit_code();
            // A reader that is gone has seen enough.
            let _ = error.print();
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console.failure(&failure);
            ExitCode::from(failure.kind.code())
        }
    }
}

/// The definition of the command line, for tests and generated documentation.
pub fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
