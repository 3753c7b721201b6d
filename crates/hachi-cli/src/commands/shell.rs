//! `hachi completions` and `hachi man`: for shells and for man(1).

use std::path::PathBuf;

use clap_complete::env::Shells;

use crate::failure::{Failure, Result};
use crate::output::{Output, say};

/// Print what makes a shell complete commands, options and live names
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  source <(hachi completions bash)
  hachi completions zsh > ~/.zfunc/_hachi
  hachi completions fish > ~/.config/fish/completions/hachi.fish
  hachi completions powershell >> $PROFILE")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// The variable by which the shell asks: with it, this program only completes.
pub const VARIABLE: &str = "COMPLETE";

pub fn completions(args: CompletionsArgs, out: &mut Output) -> Result {
    let name = match args.shell {
        Shell::Bash => "bash",
        Shell::Elvish => "elvish",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Zsh => "zsh",
    };
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(name) else {
        return Err(Failure::new(format_args!("{name} cannot be served")));
    };
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "hachi", "hachi", "hachi", &mut script)
        .map_err(|error| Failure::because("writing the script", &error))?;
    out.document(&String::from_utf8_lossy(&script))
}

/// Write the manual's pages, one for each command
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi man ~/.local/share/man/man1 && man hachi-map-set")]
pub struct ManArgs {
    /// The directory that they are written to, which is made
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub fn man(args: ManArgs, out: &mut Output) -> Result {
    let failed = |error: &std::io::Error| {
        Failure::because(
            format_args!("writing to {}", args.directory.display()),
            error,
        )
    };
    std::fs::create_dir_all(&args.directory).map_err(|error| failed(&error))?;
    clap_mangen::generate_to(crate::definition(), &args.directory)
        .map_err(|error| failed(&error))?;
    say!(out, args.directory.display())
}
