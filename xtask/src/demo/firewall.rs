//! The firewall of `examples/xdp-firewall`, run and asked through its own command.

use super::echo;
use crate::shell::{Result, capture};
use hachi_test::{Guarded, Netns};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The firewall while the program that loaded it runs.
pub struct Firewall {
    process: Guarded,
    pinned: Pinned,
}

/// The firewall as the kernel keeps it, reached through its pins.
pub struct Pinned {
    program: PathBuf,
    directory: PathBuf,
}

/// Packets by what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    pub passed: u64,
    pub blocked: u64,
}

impl Firewall {
    /// Attaches it to `interface` and pins everything in `directory`.
    pub fn start(
        program: &Path,
        netns: &Netns,
        interface: &str,
        directory: PathBuf,
    ) -> Result<Self> {
        let mut run = netns.command(program);
        run.args(["run", "--quiet", "--iface", interface, "--pin"]);
        run.arg(&directory);
        echo(&run);
        let mut process = Guarded::spawn(&mut run)?;
        let pinned = Pinned {
            program: program.to_owned(),
            directory,
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(error) = pinned.counters() {
            if !process.is_running() {
                return Err("the firewall's program ended".into());
            }
            if Instant::now() > deadline {
                return Err(format!("the firewall does not start: {error}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { process, pinned })
    }

    /// What it counted so far.
    pub fn counters(&self) -> Result<Counters> {
        self.pinned.counters()
    }

    /// Runs one of its commands, in a process of its own.
    pub fn control(&self, arguments: &[&str]) -> Result {
        self.pinned.control(arguments)
    }

    /// Ends its process as Ctrl-C would; what is pinned goes on.
    pub fn end_program(self) -> Result<Pinned> {
        let id = self.process.id();
        let (status, _) = self.process.interrupt(Duration::from_secs(5))?;
        if !status.success() {
            return Err(format!("the firewall's program ended with {status}").into());
        }
        println!(
            "process {id} ended; in {}:",
            self.pinned.directory.display()
        );
        let mut names: Vec<_> = std::fs::read_dir(&self.pinned.directory)?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        println!("    {}", names.join("  "));
        Ok(self.pinned)
    }
}

impl Pinned {
    /// What it counted so far.
    pub fn counters(&self) -> Result<Counters> {
        let mut stats = self.command(&["stats", "--json"]);
        parse(&capture(&mut stats)?).ok_or_else(|| "`stats --json` not understood".into())
    }

    /// Runs one of its commands, in a process of its own.
    pub fn control(&self, arguments: &[&str]) -> Result {
        let mut command = self.command(arguments);
        echo(&command);
        print!("{}", capture(&mut command)?);
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--pin").arg(&self.directory);
        command
    }
}

/// Reads the few numbers wanted out of
/// `{"passed":{"packets":1,"bytes":60},"blocked_source":{…},…}`.
fn parse(json: &str) -> Option<Counters> {
    let packets = |verdict: &str| {
        let (_, rest) = json.split_once(&format!("\"{verdict}\":{{\"packets\":"))?;
        rest.split([',', '}']).next()?.parse::<u64>().ok()
    };
    Some(Counters {
        passed: packets("passed")?,
        blocked: packets("blocked_source")? + packets("blocked_port")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read() {
        let json = r#"{
            "passed":{"packets":12,"bytes":900},
            "blocked_source":{"packets":3,"bytes":180},
            "blocked_port":{"packets":1,"bytes":60},
            "malformed":{"packets":0,"bytes":0}
        }"#;
        let expected = Counters {
            passed: 12,
            blocked: 4,
        };
        assert_eq!(parse(json), Some(expected));
        assert_eq!(parse("{}"), None);
    }
}
