//! The `hachi` command: everything from an empty directory to a pinned program.
//!
//! The contract of every command: data on stdout (with `--json`, one document with stable keys),
//! diagnostics on stderr, and an exit code: 0 done, 1 the thing asked about failed, 2 wrong usage,
//! 3 the machine lacks something. Colour appears only on terminals. Nothing needs root unless it
//! touches the kernel.

mod commands;
mod failure;
mod kernel;
mod machine;
mod object;
mod output;
mod pins;
mod sys;
mod value;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, Parser, Subcommand};

pub use failure::{Failure, Kind, Result};

/// eBPF in Rust: write, build, load, attach and look into programs.
#[derive(Debug, Parser)]
#[command(
    name = "hachi",
    version,
    disable_help_subcommand = true,
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
    Build(commands::build::Args),
    Check(commands::check::Args),
    Run(commands::run::Args),
    Test(commands::test::Args),
    Dis(commands::dis::Args),
    Inspect(commands::inspect::Args),
    Prog(commands::prog::Args),
    Map(commands::map::Args),
    Link(commands::link::Args),
    Btf(commands::btf::Args),
    Bindgen(commands::bindgen::Args),
    Pin(commands::pin::PinArgs),
    Unpin(commands::pin::UnpinArgs),
    Ld(commands::ld::Args),
    Doctor(commands::doctor::Args),
}

/// Becomes what `hachi test --kernel` needs this program to be in other places: the first
/// process of a guest, or what cargo runs in place of a test program. Returns at once otherwise.
pub fn intercept() {
    hachi_guest::intercept();
    commands::test::intercept();
}

/// Runs the command with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for and go to stdout; mistakes go to stderr.
            let _ = error.print();
            return match error.exit_code() {
                0 => ExitCode::SUCCESS,
                _ => Kind::Usage.into(),
            };
        }
    };
    match cli.color {
        ColorChoice::Auto => {}
        ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
        ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
    }
    // A reader that closed the pipe has seen enough: end like any other tool, not with a panic.
    sys::default_sigpipe();

    let result = match cli.command {
        None => {
            welcome();
            Ok(())
        }
        Some(command) => run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                anstream::eprintln!("{failure}");
            }
            failure.kind.into()
        }
    }
}

fn run(command: Command) -> Result {
    match command {
        Command::New(args) => commands::new::run(args),
        Command::Build(args) => commands::build::run(args),
        Command::Check(args) => commands::check::run(args),
        Command::Run(args) => commands::run::run(args),
        Command::Test(args) => commands::test::run(args),
        Command::Dis(args) => commands::dis::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Prog(args) => commands::prog::run(args),
        Command::Map(args) => commands::map::run(args),
        Command::Link(args) => commands::link::run(args),
        Command::Btf(args) => commands::btf::run(args),
        Command::Bindgen(args) => commands::bindgen::run(args),
        Command::Pin(args) => commands::pin::pin(args),
        Command::Unpin(args) => commands::pin::unpin(args),
        Command::Ld(args) => commands::ld::run(args),
        Command::Doctor(args) => commands::doctor::run(args),
    }
}

/// What `hachi` alone prints: what to do next, from where the user stands.
fn welcome() {
    use output::BOLD;
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
    anstream::println!("{BOLD}hachi {version}{BOLD:#}: eBPF in Rust\n\nNext:");
    for (command, what) in next {
        anstream::println!("  {BOLD}{command:<28}{BOLD:#} {what}");
    }
    anstream::println!("\nAll commands: hachi --help");
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
