//! Getting what is missing, after asking.

use std::{
    io::{self, BufRead, Write},
    process::Command,
};

use super::{
    Search, Way, apt,
    apt::Apt,
    compiler::{Compiler, rustup},
};
use crate::{
    Error, Obstacle,
    cache::{Cache, setting},
    process::{in_path, last_words, output, shown},
    sys::is_root,
};

/// Something that can be done about a missing toolchain.
#[derive(Debug)]
pub(super) enum Step {
    /// Let rustup add the library source to the active toolchain.
    RustupSource {
        /// Name of the toolchain.
        toolchain: String,
    },
    /// Download the library source of the active compiler's release from the distribution.
    DownloadSource(Apt),
    /// Install packages of the distribution.
    AptInstall(Apt, Vec<String>),
}

impl Step {
    /// The step that rustup offers.
    pub(super) fn by_rustup(active: Option<&Compiler>, force: Option<Way>) -> Option<Step> {
        let toolchain = active?.rustup_toolchain()?;
        rustup().filter(|_| force != Some(Way::Prebuilt))?;
        Some(Step::RustupSource { toolchain })
    }

    /// What the distribution offers, best first.
    pub(super) fn by_apt(active: Option<&Compiler>, force: Option<Way>) -> Vec<Step> {
        let Some(apt) = Apt::detect() else {
            return Vec::new();
        };
        let mut steps = Vec::new();
        // No distribution packages unreleased compilers (1.97.0-nightly).
        if active.is_some_and(|active| !active.version.release.contains('-'))
            && force != Some(Way::Prebuilt)
        {
            steps.push(Step::DownloadSource(apt.clone()));
        }
        if force != Some(Way::Source) {
            let packages = apt.prebuilt_packages();
            if !packages.is_empty() {
                steps.push(Step::AptInstall(apt, packages));
            }
        }
        steps
    }

    /// The command that a person would type.
    pub(super) fn command(&self) -> Option<String> {
        match self {
            Step::RustupSource { toolchain } => Some(shown(&rustup_command(toolchain))),
            Step::AptInstall(_, packages) => {
                let command = shown(&apt::install_command(packages));
                Some(if is_root() {
                    command
                } else {
                    format!("sudo {command}")
                })
            }
            Step::DownloadSource(_) => None,
        }
    }

    fn possible(&self) -> bool {
        !matches!(self, Step::AptInstall(..)) || is_root()
    }

    fn question(&self, active: Option<&Compiler>) -> String {
        match (self, self.command()) {
            (_, Some(command)) => format!("run `{command}`"),
            (_, None) => format!(
                "download the library source of Rust {} from the distribution's archive into the \
                 cache",
                active.map_or("?", |active| &active.version.release)
            ),
        }
    }

    /// Does it.
    fn apply(&self, active: Option<&Compiler>, cache: &Cache) -> Result<(), Error> {
        match self {
            Step::RustupSource { toolchain } => {
                let mut command = rustup_command(toolchain);
                eprintln!("hachi: running `{}`", shown(&command));
                let answer = output(&mut command)?;
                if answer.status.success() {
                    return Ok(());
                }
                Err(Error::Install {
                    command: shown(&command),
                    output: last_words(&answer),
                })
            }
            Step::DownloadSource(apt) => match active {
                Some(active) => apt.fetch_source(active, cache).map(drop),
                None => Ok(()),
            },
            Step::AptInstall(apt, packages) => apt.install(packages),
        }
    }
}

fn rustup_command(toolchain: &str) -> Command {
    rustup_with(&["component", "add", "rust-src", "--toolchain", toolchain])
}

/// A call of rustup.
pub(super) fn rustup_with(arguments: &[&str]) -> Command {
    let rustup = rustup().filter(|_| in_path("rustup").is_none());
    let mut command = Command::new(rustup.unwrap_or_else(|| "rustup".into()));
    command.args(arguments);
    // It is told which toolchain; what a file here says does not count.
    command.current_dir("/");
    command
}

/// Tries one step after the other until `found` finds a toolchain. What did not help, and why,
/// goes to `why`.
pub(super) fn ask<T>(
    search: &Search,
    active: Option<&Compiler>,
    force: Option<Way>,
    cache: &Cache,
    why: &mut Vec<Obstacle>,
    mut found: impl FnMut(&mut Vec<Obstacle>) -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    let yes = match consent(search) {
        Ok(yes) => yes,
        Err(reason) => {
            why.push(reason);
            return Ok(None);
        }
    };
    // The second list is made only when the first did not help: asking apt takes its time.
    let by_apt = std::iter::once_with(|| {
        if yes && let Some(apt) = Apt::detect() {
            apt.refresh_if_empty();
        }
        Step::by_apt(active, force)
    });
    for step in Step::by_rustup(active, force)
        .into_iter()
        .chain(by_apt.flatten())
    {
        let question = step.question(active);
        if !step.possible() {
            why.push(Obstacle::NeedsRoot { step: question });
            continue;
        }
        if !yes && !confirm("Building eBPF needs the Rust library for it", &question) {
            why.push(Obstacle::Declined { step: question });
            continue;
        }
        if let Err(error) = step.apply(active, cache) {
            eprintln!("hachi: {error}");
            why.push(error.into());
            continue;
        }
        if let Some(found) = found(why)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether something may be installed: at once, or after a question (`false`). Else why not.
pub(super) fn consent(search: &Search) -> Result<bool, Obstacle> {
    let set = |name, off: &str| setting(name).is_some_and(|value| value != off);
    if search.offline || set("CARGO_NET_OFFLINE", "false") {
        return Err(Obstacle::Offline);
    }
    let yes = search.assume_yes || set("HACHI_YES", "0");
    if !yes && !search.interactive {
        return Err(Obstacle::NobodyToAsk);
    }
    Ok(yes)
}

/// Asks the person at the terminal. Silence (end of input) means no.
pub(super) fn confirm(need: &str, question: &str) -> bool {
    eprint!("{need}. May I {question}? [Y/n] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer) {
        Ok(0) | Err(_) => false,
        Ok(_) => ["", "y", "yes"].contains(&answer.trim().to_lowercase().as_str()),
    }
}
