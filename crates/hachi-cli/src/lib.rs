//! The `hachi` command: everything from an empty directory to a pinned program.
//!
//! The contract of every command: data on stdout (with `--json`, one document with stable keys),
//! diagnostics on stderr, and an exit code: 0 done, 1 the thing asked about failed, 2 wrong usage,
//! 3 the machine lacks something. Colour appears only on terminals. Nothing needs root unless it
//! touches the kernel.

// Text goes out through `output`, which alone may print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod capture;
mod commands;
mod complete;
mod failure;
mod graph;
mod kallsyms;
mod kernel;
mod lack;
mod machine;
mod machine_code;
mod near;
mod object;
mod origin;
mod output;
mod pins;
mod select;
mod sys;
mod usage;
mod value;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, Parser, Subcommand};

pub use failure::{Failure, Kind, Result};
use output::{Output, bold, say};

/// eBPF in Rust: write, build, load, attach and look into programs.
#[derive(Debug, Parser)]
#[command(
    name = "hachi",
    version,
    arg_required_else_help = false,
    after_help = "\
Exit codes: 0 done · 1 the thing asked about failed · 2 wrong usage · 3 the machine lacks something

Examples:
  hachi new firewall && cd firewall && cargo run -- --iface lo
  hachi check $(hachi build .)
  hachi doctor"
)]
struct Cli {
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(commands::new::Args),
    Migrate(commands::migrate::Args),
    Build(commands::build::Args),
    Check(commands::check::Args),
    Run(commands::run::Args),
    Test(commands::test::Args),
    Kernels(commands::kernels::Args),
    Vm(commands::vm::Args),
    Dis(commands::dis::Args),
    Inspect(commands::inspect::Args),
    Prog(commands::prog::Args),
    Map(commands::map::Args),
    Link(commands::link::Args),
    Net(commands::net::Args),
    Cgroup(commands::cgroup::Args),
    Perf(commands::perf::Args),
    Iter(commands::iter::Args),
    StructOps(commands::struct_ops::Args),
    Feature(commands::feature::Args),
    Trace(commands::trace::Args),
    Top(commands::top::Args),
    Btf(commands::btf::Args),
    Bindgen(commands::bindgen::Args),
    Pin(commands::pin::PinArgs),
    Unpin(commands::pin::UnpinArgs),
    Ld(commands::ld::Args),
    Image(commands::agent::ImageArgs),
    Agent(commands::agent::AgentArgs),
    Doctor(commands::doctor::Args),
    Explain(commands::explain::Args),
    Completions(commands::shell::CompletionsArgs),
    Man(commands::shell::ManArgs),
}

/// Becomes what `hachi test --kernel` needs this program to be in other places: the first
/// process of a guest, or what cargo runs in place of a test program; and answers a shell that asks
/// what a line could go on with. Returns at once otherwise.
pub fn intercept() {
    hachi_guest::intercept();
    commands::test::intercept();
    clap_complete::CompleteEnv::with_factory(definition)
        .var(commands::shell::VARIABLE)
        .complete();
}

/// Runs the command with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut out = Output::new();
    let result = match Cli::try_parse_from(arguments) {
        Ok(cli) => {
            match cli.color {
                ColorChoice::Auto => {}
                ColorChoice::Always => out.set_colour(true),
                ColorChoice::Never => out.set_colour(false),
            }
            match cli.command {
                None => welcome(&mut out),
                Some(command) => run(command, &mut out),
            }
        }
        Err(error) => usage::show(error, &mut out),
    };
    let result = result.and_then(|()| out.flush());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // What was printed before it failed; and where the failure is that nothing can be
            // printed, there is no one left to tell.
            let _ = out.flush();
            let _ = out.failure(&failure);
            let _ = out.read_on();
            failure.kind.into()
        }
    }
}

fn run(command: Command, out: &mut Output) -> Result {
    match command {
        Command::New(args) => commands::new::run(args, out),
        Command::Migrate(args) => commands::migrate::run(args, out),
        Command::Build(args) => commands::build::run(args, out),
        Command::Check(args) => commands::check::run(args, out),
        Command::Run(args) => commands::run::run(args, out),
        Command::Test(args) => commands::test::run(args, out),
        Command::Kernels(args) => commands::kernels::run(args, out),
        Command::Vm(args) => commands::vm::run(args, out),
        Command::Dis(args) => commands::dis::run(args, out),
        Command::Inspect(args) => commands::inspect::run(args, out),
        Command::Prog(args) => commands::prog::run(args, out),
        Command::Map(args) => commands::map::run(args, out),
        Command::Link(args) => commands::link::run(args, out),
        Command::Net(args) => commands::net::run(args, out),
        Command::Cgroup(args) => commands::cgroup::run(args, out),
        Command::Perf(args) => commands::perf::run(args, out),
        Command::Iter(args) => commands::iter::run(args, out),
        Command::StructOps(args) => commands::struct_ops::run(args, out),
        Command::Feature(args) => commands::feature::run(args, out),
        Command::Trace(args) => commands::trace::run(args, out),
        Command::Top(args) => commands::top::run(args, out),
        Command::Btf(args) => commands::btf::run(args, out),
        Command::Bindgen(args) => commands::bindgen::run(args, out),
        Command::Pin(args) => commands::pin::pin(args, out),
        Command::Unpin(args) => commands::pin::unpin(args, out),
        Command::Ld(args) => commands::ld::run(args, out),
        Command::Image(args) => commands::agent::image(args, out),
        Command::Agent(args) => commands::agent::agent(args, out),
        Command::Doctor(args) => commands::doctor::run(args, out),
        Command::Explain(args) => commands::explain::run(args, out),
        Command::Completions(args) => commands::shell::completions(args, out),
        Command::Man(args) => commands::shell::man(args, out),
    }
}

/// What `hachi` alone prints: what to do next, from where the user stands.
fn welcome(out: &mut Output) -> Result {
    let version = env!("CARGO_PKG_VERSION");
    let mut next: Vec<(&str, &str)> = Vec::new();
    if commands::build::has_ebpf_package(std::path::Path::new(".")) {
        next.push((
            "cargo run -- --iface lo",
            "build both sides, load and attach",
        ));
        next.push(("hachi build .", "build the eBPF side alone"));
        next.push(("hachi check OBJECT", "ask the kernel's verifier"));
        next.push((
            "hachi dis OBJECT",
            "the instructions, with their Rust lines",
        ));
    } else {
        next.push((
            "hachi new firewall",
            "start a project: an XDP program and its loader",
        ));
        next.push(("hachi doctor", "see what this machine has and lacks"));
        next.push((
            "hachi run OBJECT --iface lo",
            "load and attach an object you have",
        ));
        next.push(("hachi prog list", "see what is loaded already"));
    }
    say!(out, bold(format_args!("hachi {version}")), ": eBPF in Rust")?;
    say!(out)?;
    say!(out, "Next:")?;
    for (command, what) in next {
        say!(out, "  ", bold(format_args!("{command:<28}")), " ", what)?;
    }
    say!(out)?;
    say!(out, "All commands: hachi --help")
}

/// The definition of the command line, for tests and generated documentation.
pub fn definition() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::definition().debug_assert();
    }

    /// Every command says how it is used, by example.
    #[test]
    fn every_command_has_an_example() {
        fn check(command: &clap::Command) {
            let subcommands: Vec<_> = command.get_subcommands().collect();
            if subcommands.is_empty() {
                let after = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(
                    after.contains("Example"),
                    "{} has no example",
                    command.get_name()
                );
            }
            subcommands.into_iter().for_each(check);
        }
        super::definition().get_subcommands().for_each(check);
    }
}
