//! Guests that go on where a saved one stood: booted, its file systems mounted, its modules
//! inserted, waiting at the serial port for what to run.
//!
//! The first guest of its kind boots and is saved into the cache: its memory as a sparse file, and
//! the state of its devices. All later ones map the memory copy-on-write and are sent the files
//! that they lack. What is saved belongs to this very QEMU with these options, this kernel and
//! these files, by whose hash it is named; another version of any makes another.

use crate::Kernel;
use crate::error::{Error, IoContext, Result};
use crate::guest::{Started, lines};
use crate::initramfs::Initramfs;
use crate::protocol::Event;
use crate::qemu::{self, Saved, Setup, Way};
use crate::sys::Child;
use hachi_build::{Cache, Hash};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

/// In the cache.
const GROUP: &str = "guests";

/// How long QEMU may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a guest may take to boot.
const BOOT: Duration = Duration::from_secs(90);

/// How many guests of one kernel are kept.
const KEPT: usize = 2;

/// A saved guest.
struct Template {
    directory: PathBuf,
}

impl Template {
    fn memory(&self) -> PathBuf {
        self.directory.join("memory")
    }

    fn devices(&self) -> PathBuf {
        self.directory.join("devices")
    }

    fn initramfs(&self) -> PathBuf {
        self.directory.join("initramfs")
    }
}

/// Lets a guest with the files of `base` go on, and sends it `files`. `setup` says what it is, but
/// neither its files nor its way. Sockets are made in `directory`.
pub(crate) fn resume(
    setup: &Setup<'_>,
    base: &Initramfs,
    files: &Initramfs,
    directory: &Path,
    stop: &AtomicBool,
) -> Result<Started> {
    let template = find_or_save(setup, base, directory, stop)?;
    match go_on(setup, &template, files, directory) {
        Ok(started) => Ok(started),
        Err(error) => {
            // The next guest is saved again.
            let _ = fs::remove_dir_all(&template.directory);
            Err(error)
        }
    }
}

/// Removes the saved guests of a kernel.
pub(crate) fn forget(cache: &Cache, kernel: &Kernel) -> Result<()> {
    for (_, path) in saved(&cache.path(GROUP), kernel) {
        fs::remove_dir_all(&path).during("remove", &path)?;
    }
    Ok(())
}

/// The saved guests of a kernel, the oldest first.
fn saved(group: &Path, kernel: &Kernel) -> Vec<(std::time::SystemTime, PathBuf)> {
    let start = format!("{}.", kernel.release());
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&start))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    found.sort();
    found
}

fn find_or_save(
    setup: &Setup<'_>,
    base: &Initramfs,
    directory: &Path,
    stop: &AtomicBool,
) -> Result<Template> {
    let mut hash = Hash::new();
    qemu::identify(setup, &mut hash)?;
    base.write_to(Hashing(&mut hash))
        .during("read", directory)?;
    let group = Cache::locate(None)?.directory(GROUP)?;
    let name = format!("{}.{}", setup.kernel.release(), hash.hex());
    let template = Template {
        directory: group.join(&name),
    };
    if template.directory.exists() {
        return Ok(template);
    }
    let temporary = tempfile::Builder::new()
        .prefix(".saving-")
        .tempdir_in(&group)
        .during("create a directory in", &group)?;
    let unfinished = Template {
        directory: temporary.path().to_owned(),
    };
    base.write(&unfinished.initramfs())?;
    save(setup, &unfinished, directory, stop)?;
    match fs::rename(temporary.path(), &template.directory) {
        Ok(()) => drop(temporary.keep()),
        // Another process has saved it meanwhile.
        Err(_) if template.directory.exists() => {}
        Err(error) => return Err(error).during("create", &template.directory),
    }
    let known = saved(&group, setup.kernel);
    for (_, old) in known.iter().take(known.len().saturating_sub(KEPT)) {
        // One that is in use stays readable for those who have it open.
        let _ = fs::remove_dir_all(old);
    }
    Ok(template)
}

/// Boots a guest and saves it when it waits.
fn save(setup: &Setup<'_>, template: &Template, directory: &Path, stop: &AtomicBool) -> Result<()> {
    let (memory, initramfs) = (template.memory(), template.initramfs());
    let sockets = Sockets::in_directory(directory);
    let mut qemu = qemu::start(&Setup {
        initramfs: &initramfs,
        way: Way::Save(sockets.with(&memory)),
        ..*setup
    })?;
    let connected = sockets.connect(&mut qemu);
    let (port, mut monitor) = connected.during("run", &sockets.port)?;
    wait_until_ready(port, setup, stop)?;
    let saved = (|| {
        monitor.command("stop", json!({}))?;
        monitor.share_memory()?;
        let uri = format!("exec:cat > {}", quoted(&template.devices()));
        monitor.command("migrate", json!({ "uri": uri }))?;
        monitor.wait("query-migrate", |status| match status {
            "completed" => Some(Ok(())),
            "failed" | "cancelled" => Some(Err(io::Error::other("QEMU cannot save it"))),
            _ => None,
        })?;
        monitor.command("quit", json!({}))
    })();
    saved.during("write", &template.devices())?;
    qemu.wait_for(PATIENCE).during("run", &sockets.monitor)
}

fn wait_until_ready(port: UnixStream, setup: &Setup<'_>, stop: &AtomicBool) -> Result<()> {
    let release = || setup.kernel.release().to_owned();
    let lines = lines(Some(port));
    let start = Instant::now();
    loop {
        let problem = match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => match serde_json::from_str(&line) {
                Ok(Event::Ready) => return Ok(()),
                _ => continue,
            },
            Err(_) if stop.load(Ordering::Relaxed) => {
                return Err(Error::Interrupted { release: release() });
            }
            Err(RecvTimeoutError::Timeout) if start.elapsed() < BOOT => continue,
            Err(RecvTimeoutError::Timeout) => io::ErrorKind::TimedOut,
            Err(RecvTimeoutError::Disconnected) => io::ErrorKind::UnexpectedEof,
        };
        return Err(io::Error::from(problem)).during("boot", &setup.kernel.image());
    }
}

fn go_on(
    setup: &Setup<'_>,
    template: &Template,
    files: &Initramfs,
    directory: &Path,
) -> Result<Started> {
    let (memory, initramfs) = (template.memory(), template.initramfs());
    let sockets = Sockets::in_directory(directory);
    let mut qemu = qemu::start(&Setup {
        initramfs: &initramfs,
        way: Way::Resume(sockets.with(&memory)),
        ..*setup
    })?;
    let connected = sockets.connect(&mut qemu);
    let (mut port, mut monitor) = connected.during("run", &sockets.port)?;
    let resumed = (|| {
        monitor.share_memory()?;
        let uri = format!("exec:cat {}", quoted(&template.devices()));
        monitor.command("migrate-incoming", json!({ "uri": uri }))?;
        monitor.wait("query-status", |status| match status {
            "paused" => Some(Ok(())),
            "inmigrate" => None,
            _ => Some(Err(io::Error::other("QEMU cannot resume it"))),
        })?;
        monitor.command("cont", json!({}))?;
        files.write_to(&mut port)
    })();
    resumed.during("read", &template.devices())?;
    Ok(Started {
        qemu,
        lines: lines(Some(port)),
    })
}

/// A path as a word of the shell's.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// The sockets of a guest.
struct Sockets {
    port: PathBuf,
    monitor: PathBuf,
}

impl Sockets {
    /// New ones: what an earlier guest left there goes.
    fn in_directory(directory: &Path) -> Self {
        let sockets = Sockets {
            port: directory.join("port"),
            monitor: directory.join("monitor"),
        };
        for path in [&sockets.port, &sockets.monitor] {
            let _ = fs::remove_file(path);
        }
        sockets
    }

    fn with<'a>(&'a self, memory: &'a Path) -> Saved<'a> {
        Saved {
            memory,
            port: &self.port,
            monitor: &self.monitor,
        }
    }

    /// Connects as soon as QEMU listens.
    fn connect(&self, qemu: &mut Child) -> io::Result<(UnixStream, Monitor)> {
        let deadline = Instant::now() + PATIENCE;
        let mut connect = |path: &Path| loop {
            let error = match UnixStream::connect(path) {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            if qemu.has_ended()? {
                let said = qemu.take_error();
                return Err(io::Error::other(said.trim().to_owned()));
            }
            if Instant::now() > deadline {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(2));
        };
        let port = connect(&self.port)?;
        let monitor = connect(&self.monitor)?;
        Ok((port, Monitor::greet(monitor)?))
    }
}

/// QEMU's monitor: its machine protocol, a line of JSON for each command and answer.
struct Monitor {
    stream: BufReader<UnixStream>,
}

impl Monitor {
    fn greet(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut monitor = Monitor {
            stream: BufReader::new(stream),
        };
        monitor.command("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Executes a command; gives what it returns.
    fn command(&mut self, name: &str, arguments: Value) -> io::Result<Value> {
        let command = json!({ "execute": name, "arguments": arguments });
        let mut line = serde_json::to_vec(&command)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)?;
        loop {
            let mut answer = String::new();
            if self.stream.read_line(&mut answer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let answer: Value = serde_json::from_str(&answer)?;
            // Greetings and events come in between.
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            if let Some(error) = answer.get("error") {
                let said = error["desc"].as_str().unwrap_or("an error").to_owned();
                return Err(io::Error::other(format!("{name}: {said}")));
            }
        }
    }

    /// Memory that is a file is neither written to the state of devices nor read from it.
    fn share_memory(&mut self) -> io::Result<()> {
        let capabilities = json!([{ "capability": "x-ignore-shared", "state": true }]);
        let arguments = json!({ "capabilities": capabilities });
        self.command("migrate-set-capabilities", arguments)
            .map(drop)
    }

    /// Asks until the status decides.
    fn wait(
        &mut self,
        question: &str,
        decide: impl Fn(&str) -> Option<io::Result<()>>,
    ) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.command(question, json!({}))?;
            if let Some(decision) = decide(answer["status"].as_str().unwrap_or_default()) {
                return decision;
            }
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_millis(3));
        }
    }
}

/// Takes what is written into a hash.
struct Hashing<'a>(&'a mut Hash);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_of_the_shell() {
        assert_eq!(quoted(Path::new("/a b")), "'/a b'");
        assert_eq!(quoted(Path::new("/it's")), r"'/it'\''s'");
    }
}
