//! The commands of `hachi-agent`, a program of its own: what talks to registries is not part of
//! this command, which stays quick to install.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::output::{Output, say};

const INSTALL: &str = "cargo install --path crates/hachi-agent --locked";

/// Build, ship, sign and verify images of eBPF objects
///
/// The program hachi-agent does it. It is looked for beside hachi, then on the PATH.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
Commands of hachi-agent: build, list, inspect, extract, sign, verify, push, pull, remove

Example:
  hachi image build firewall.o -t registry.example/firewall:1.0"
)]
pub struct ImageArgs {
    /// What hachi-agent is given: see `hachi image --help`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    arguments: Vec<OsString>,
}

/// Keep this machine's eBPF programs as a description says
///
/// The program hachi-agent does it. It is looked for beside hachi, then on the PATH.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
Commands of hachi-agent: run, apply, diff, status

Example:
  hachi agent run --config /etc/hachi"
)]
pub struct AgentArgs {
    /// What hachi-agent is given: see `hachi agent --help`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    arguments: Vec<OsString>,
}

/// Becomes `hachi-agent image …`; returns only if there is none.
pub fn image(args: ImageArgs, out: &mut Output) -> Result {
    become_agent("image", args.arguments, out)
}

/// Becomes `hachi-agent agent …`; returns only if there is none.
pub fn agent(args: AgentArgs, out: &mut Output) -> Result {
    become_agent("agent", args.arguments, out)
}

fn become_agent(command: &str, arguments: Vec<OsString>, out: &mut Output) -> Result {
    let program = std::env::current_exe()
        .map(|own| own.with_file_name("hachi-agent"))
        .ok()
        .filter(|beside| beside.is_file())
        .unwrap_or_else(|| PathBuf::from("hachi-agent"));
    let asks_for_help = arguments.iter().any(|a| a == "--help" || a == "-h");
    let error = Command::new(&program).arg(command).args(arguments).exec();
    if asks_for_help && error.kind() == io::ErrorKind::NotFound {
        return help(command, out);
    }
    let failure = Failure::missing(format_args!("starting {}: {error}", program.display()));
    Err(match error.kind() {
        io::ErrorKind::NotFound => failure.help(format_args!("install it beside hachi: {INSTALL}")),
        _ => failure,
    })
}

/// What is known here of a command whose own help cannot be asked for.
fn help(command: &str, out: &mut Output) -> Result {
    let mut definition = crate::definition();
    definition.build();
    if let Some(found) = definition.find_subcommand_mut(command) {
        out.rendered(&found.render_long_help().ansi().to_string())?;
    }
    say!(out)?;
    say!(out, "hachi-agent is not installed yet: ", INSTALL)
}
