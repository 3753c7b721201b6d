//! The book as its reader goes through it: types every file, runs every command, and compares what
//! comes out, in an empty directory.
//!
//! The one thing that is not as on a reader's machine is cargo's target directory, which the
//! repository's examples have used before.
//!
//! It runs in a network and a mount namespace of its own, with `lo` and a BPF file system: what the
//! book attaches to the loopback interface, no other process sees.

use super::Guests;
use super::chapter::{Block, Console, Kind, is_said, said_so_far, steps};
use crate::shell::{Result, examples_target_dir};
use hachi_test::TempDir;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a command may take until it has printed what the book says: the first one builds the
/// library for eBPF.
const PATIENCE: Duration = Duration::from_secs(300);

/// A reader at work.
pub struct Reader {
    /// Where the reader started.
    home: TempDir,
    /// Where `cd` has led.
    directory: PathBuf,
    /// The command that has stayed, and how much of its output has been looked at.
    running: Option<(Running, usize)>,
    guests: Guests,
    /// How many commands have run.
    pub commands: usize,
    /// How many blocks have not, because they boot a guest.
    pub left_out: usize,
    /// How long they took.
    pub time: Duration,
}

/// A command that goes on.
struct Running {
    child: Child,
    output: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        signal(&self.child, libc::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Sends a signal to the command and all it has started.
fn signal(child: &Child, signal: i32) {
    // SAFETY: numbers only; the group is the child's own.
    unsafe { libc::kill(-(child.id() as i32), signal) };
}

impl Reader {
    /// One with an empty directory.
    pub fn new(guests: Guests) -> Result<Reader> {
        let home = TempDir::new()?;
        let directory = home.path().join("book");
        fs::create_dir(&directory)?;
        Ok(Reader {
            home,
            directory,
            running: None,
            guests,
            commands: 0,
            left_out: 0,
            time: Duration::ZERO,
        })
    }

    /// Does what a block says. The error says what is different.
    pub fn follow(&mut self, block: &Block) -> Result {
        match &block.kind {
            Kind::File { path, .. } => {
                let path = self.home.path().join("book").join(path);
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                fs::write(&path, &block.text)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                Ok(())
            }
            Kind::Console(console) if console.installs || console.elsewhere => Ok(()),
            Kind::Console(console) if console.guest && self.guests == Guests::LeftOut => {
                self.left_out += 1;
                Ok(())
            }
            Kind::Console(console) => self.run(&block.text, *console),
        }
    }

    /// Ends what is still running. A command that stays past its chapter is an error.
    pub fn finish(&mut self) -> Result {
        match self.running.take() {
            Some(_) => Err("a command stays after the end of the chapter".into()),
            None => Ok(()),
        }
    }

    fn run(&mut self, text: &str, console: Console) -> Result {
        let start = Instant::now();
        let steps = steps(text)?;
        let last = steps.len() - 1;
        for (index, step) in steps.into_iter().enumerate() {
            let is_last = index == last;
            match step.command {
                None => self.interrupt(&step.output)?,
                Some(command) if is_last && console.stays => self.stay(&command, &step.output)?,
                Some(command) => {
                    self.commands += 1;
                    self.finish_command(&command, &step.output, is_last && console.fails)?;
                }
            }
        }
        self.time += start.elapsed();
        Ok(())
    }

    /// A shell that runs the command where the reader is, in a group of its own.
    fn shell(&self, script: &str, output: &Path) -> Result<Child> {
        let file = File::create(output)?;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", script])
            .current_dir(&self.directory)
            .env("NO_COLOR", "1")
            .env("HACHI_YES", "1")
            .env("TERM", "dumb")
            // There is no other machine in this namespace: what is needed was fetched before.
            .env("CARGO_NET_OFFLINE", "true")
            // What projects depend on is built once for all of them.
            .env("CARGO_TARGET_DIR", examples_target_dir())
            .env_remove("CARGO")
            .stdin(Stdio::null())
            .stderr(file.try_clone()?)
            .stdout(file)
            .process_group(0);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                shell.env_remove(&*name);
            }
        }
        Ok(shell.spawn()?)
    }

    fn finish_command(&mut self, command: &str, said: &str, fails: bool) -> Result {
        let output = self.home.path().join("output");
        let place = self.home.path().join("place");
        // The shell ends, and with it where `cd` has led.
        let script = format!(
            "{command}\ncode=$?\npwd > '{}'\nexit $code",
            place.display()
        );
        let mut child = self.shell(&script, &output)?;
        let status = child.wait()?;
        let printed = text(&output)?;
        if let Ok(place) = fs::read_to_string(&place) {
            self.directory = place.trim_end().into();
        }
        if status.success() == fails {
            return Err(format!("`{command}` ended with {status}:\n{printed}").into());
        }
        match is_said(said, &printed) {
            true => Ok(()),
            false => Err(different(command, said, &printed)),
        }
    }

    /// Starts a command, and waits until it has printed what the book says.
    fn stay(&mut self, command: &str, said: &str) -> Result {
        if self.running.is_some() {
            return Err(format!("`{command}`: another command has the terminal").into());
        }
        self.commands += 1;
        let output = self.home.path().join("staying");
        // In the shell's place: the signal is for the command alone.
        let child = self.shell(&format!("exec {command}"), &output)?;
        let mut running = Running { child, output };
        let end = Instant::now() + PATIENCE;
        loop {
            let printed = text(&running.output)?;
            // It may have printed more by now: that is for the block that ends it.
            if let Some(seen) = said_so_far(said, &printed) {
                self.running = Some((running, seen));
                return Ok(());
            }
            if running.child.try_wait()?.is_some() || Instant::now() > end {
                return Err(different(command, said, &printed));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the command that has stayed, which has printed this since.
    fn interrupt(&mut self, said: &str) -> Result {
        let Some((mut running, seen)) = self.running.take() else {
            return Err("`^C`: no command stays".into());
        };
        let since = |running: &Running| -> Result<String> {
            let printed = text(&running.output)?;
            Ok(printed.get(seen..).unwrap_or_default().to_owned())
        };
        // What it prints of what has just happened may take a moment.
        std::thread::sleep(Duration::from_millis(500));
        signal(&running.child, libc::SIGINT);
        let end = Instant::now() + Duration::from_secs(20);
        let status = loop {
            match running.child.try_wait()? {
                Some(status) => break status,
                None if Instant::now() > end => {
                    return Err(format!("`^C` does not end it:\n{}", since(&running)?).into());
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let printed = since(&running)?;
        if !status.success() {
            return Err(format!("after `^C` it ended with {status}:\n{printed}").into());
        }
        match is_said(said, &printed) {
            true => Ok(()),
            false => Err(different("^C", said, &printed)),
        }
    }
}

fn text(file: &Path) -> Result<String> {
    let bytes = fs::read(file)?;
    Ok(String::from_utf8_lossy(&bytes).replace('\r', ""))
}

fn different(command: &str, said: &str, printed: &str) -> crate::shell::Error {
    format!("`{command}`: the book says\n{said}--- and it printed\n{printed}---").into()
}
