//! `hachi kernels`: the kernels for guests, in the cache.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use hachi_build::Arch;
use hachi_guest::Kernel;
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::machine;
use crate::output::{self, Format, Output, path_text, say};
use crate::sys::{self, Signals};

/// Manage the kernels that `hachi check --kernel` and `hachi test --kernel` run in guests
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi kernels list
  hachi kernels fetch 6.1
  hachi kernels fetch 6.12 --arch arm64
  hachi kernels remove 5.10")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(ListArgs),
    Fetch(FetchArgs),
    Remove(RemoveArgs),
}

/// List the kernels in the cache
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi kernels list --json")]
struct ListArgs {
    #[command(flatten)]
    format: Format,
}

/// Fetch kernels into the cache, the newest of each version that Debian has
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi kernels fetch 5.10 6.12")]
struct FetchArgs {
    /// Versions, such as 6.1 or 6.12.107
    #[arg(required = true, value_name = "VERSION", value_parser = parse_version)]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::kernels))]
    versions: Vec<String>,
    /// The kind of machine that they are for: x86_64, aarch64 (arm64), riscv64 or s390x
    /// [default: this machine's]
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
}

/// Remove kernels from the cache
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi kernels remove 5.10")]
struct RemoveArgs {
    /// Versions: all kernels that fit are removed
    #[arg(required = true, value_name = "VERSION", value_parser = parse_version)]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::kernels))]
    versions: Vec<String>,
    /// Only those for this kind of machine
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
}

/// A kernel that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All in the cache.
    All,
    /// The newest of a version.
    Version(String),
    /// An image.
    Image(PathBuf),
}

/// `all`, a version, or the path of an image.
pub fn parse(text: &str) -> std::result::Result<Wanted, String> {
    match text {
        "all" => Ok(Wanted::All),
        path if path.contains('/') => Ok(Wanted::Image(PathBuf::from(path))),
        version => parse_version(version).map(Wanted::Version),
    }
}

/// Looked at before archives are searched for it, which takes a while.
pub fn parse_version(text: &str) -> std::result::Result<String, String> {
    let parts: Vec<&str> = text.split('.').collect();
    let is_number = |part: &&str| part.starts_with(|first: char| first.is_ascii_digit());
    if parts.len() > 3 || !parts.iter().all(is_number) {
        return Err("expected a version such as 6.1 or 6.12.107".into());
    }
    // The second number has never gone beyond 40 (of 2.6.39), nor does the first leap.
    let is_within = |at: usize, greatest: u32| {
        let number = parts.get(at).map(|part| part.parse::<u32>());
        number.is_none_or(|number| number.is_ok_and(|number| number <= greatest))
    };
    let here = machine::parse_release(&machine::kernel_release());
    let newest = here.map_or(u32::MAX, |kernel| kernel.major.saturating_add(3));
    match is_within(0, newest) && is_within(1, 40) {
        true => Ok(text.into()),
        false => Err("there is no such Linux; expected a version such as 6.1 or 6.12.107".into()),
    }
}

/// A failure of guests and their kernels.
pub fn failure(error: hachi_guest::Error) -> Failure {
    match &error {
        hachi_guest::Error::Missing { .. } => {
            let failure = Failure::missing(&error);
            match error.fix() {
                Some(fix) => failure.help(fix),
                None => failure,
            }
        }
        hachi_guest::Error::NotDebian { .. } | hachi_guest::Error::Architecture => {
            Failure::missing(&error)
        }
        _ => Failure::because("", &error),
    }
}

/// The kernels asked for, each under the name it was asked for by, none twice.
pub fn find(
    wanted: &[Wanted],
    arch: Arch,
    modules: Option<&Path>,
) -> Result<Vec<(String, Kernel)>> {
    let mut found: Vec<(String, Kernel)> = Vec::new();
    for wanted in wanted {
        let kernels = match wanted {
            Wanted::All => {
                let mut all = Kernel::all_cached().map_err(failure)?;
                all.retain(|kernel| kernel.arch() == arch);
                if all.is_empty() {
                    let help = format!("hachi kernels fetch 6.1 --arch {arch}");
                    let text = format_args!("there are no kernels for {arch} in the cache");
                    return Err(Failure::missing(text).help(help));
                }
                all.into_iter()
                    .map(|kernel| (short(kernel.release()), kernel))
                    .collect()
            }
            Wanted::Version(version) => {
                let kernel = Kernel::find_for(arch, version).map_err(failure)?;
                vec![(version.clone(), kernel)]
            }
            Wanted::Image(path) => {
                let kernel = Kernel::from_image(path, modules).map_err(failure)?;
                vec![(short(kernel.release()), kernel)]
            }
        };
        for (name, kernel) in kernels {
            if found
                .iter()
                .all(|(_, other)| other.image() != kernel.image())
            {
                found.push((name, kernel));
            }
        }
    }
    Ok(found)
}

/// The kind of machine that this one is, if guests can be of it.
pub fn here() -> Result<Arch> {
    Arch::here().ok_or_else(|| failure(hachi_guest::Error::Architecture))
}

/// `6.1` of `6.1.0-56-cloud-amd64`.
fn short(release: &str) -> String {
    match machine::parse_release(release) {
        Some(version) => version.to_string(),
        None => release.to_owned(),
    }
}

/// Becomes true on the first signal that asks for the end, so that guests are ended in order and
/// their files removed. The second one ends the process.
pub fn stop_on_signal() -> Result<&'static AtomicBool> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let io = |error| Failure::because("cannot wait for signals", &error);
    let signals = Signals::take(&sys::ENDING).map_err(io)?;
    std::thread::spawn(move || {
        if signals.next().is_ok() {
            STOP.store(true, Ordering::Relaxed);
            if signals.next().is_ok() {
                std::process::exit(1);
            }
        }
    });
    Ok(&STOP)
}

pub fn run(args: Args, out: &mut Output) -> Result {
    match args.command {
        Command::List(args) => list(args, out),
        Command::Fetch(args) => {
            let arch = match args.arch {
                Some(arch) => arch,
                None => here()?,
            };
            for version in &args.versions {
                let kernel = Kernel::find_for(arch, version).map_err(failure)?;
                say!(out, kernel.release())?;
            }
            Ok(())
        }
        Command::Remove(args) => remove(args, out),
    }
}

fn list(args: ListArgs, out: &mut Output) -> Result {
    let kernels = Kernel::all_cached().map_err(failure)?;
    let document = || {
        let kernels = kernels.iter().map(|kernel| {
            json!({
                "release": kernel.release(),
                "arch": kernel.arch().name(),
                "image": path_text(&kernel.image()),
                "bytes": kernel.size(),
            })
        });
        json!({ "kernels": kernels.collect::<Vec<Value>>() })
    };
    args.format.print(out, document, |out| {
        if kernels.is_empty() {
            return say!(
                out,
                "no kernels are in the cache; `hachi kernels fetch 6.1` fetches one"
            );
        }
        let rows = kernels.iter().map(|kernel| {
            [
                kernel.release().to_owned(),
                format!("{} MB", output::grouped(kernel.size() / 1_000_000)),
                kernel.image().display().to_string(),
            ]
        });
        out.table(["release", "size", "image"], rows)
    })
}

fn remove(args: RemoveArgs, out: &mut Output) -> Result {
    let mut all = Kernel::all_cached().map_err(failure)?;
    all.retain(|kernel| args.arch.is_none_or(|arch| kernel.arch() == arch));
    let mut going = Vec::new();
    for version in &args.versions {
        let before = going.len();
        going.extend(all.iter().filter(|kernel| kernel.is(version)));
        if going.len() == before {
            return Err(
                Failure::new(format_args!("no kernel {version} is in the cache"))
                    .help("`hachi kernels list` prints those there are"),
            );
        }
    }
    for kernel in going {
        kernel.remove().map_err(failure)?;
        say!(out, "removed ", kernel.release())?;
    }
    Ok(())
}
