//! Running test programs in a guest.

use crate::error::{Crash, Error, IoContext, Result};
use crate::initramfs::{Initramfs, libraries, stripped};
use crate::protocol::{End, Event, PLAN, Plan, Run};
use crate::qemu::{Setup, Way};
use crate::sys::{Child, find_program};
use crate::userland::Userland;
use crate::{Kernel, qemu, warm};
use hachi_build::Arch;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// A guest that is silent for this long hangs: it reports a running test every few seconds.
const STALLED: Duration = Duration::from_secs(90);

/// How many bytes of files a saved guest is sent.
const MOST_SENT: u64 = 256 << 20;

/// How many bytes of a test's output are kept.
const MOST_OUTPUT: usize = 1 << 20;

/// What eBPF programs and their tests need that kernels have as modules.
const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_console", // our way out; built in since 6.12
    "veth",
    "dummy",
    "tun",
    "sch_ingress",
    "cls_bpf",
    "act_bpf",
    "cls_u32",
    "nf_conntrack", // whose functions programs call
    "rc_loopback",
];

/// Programs that tests start: the host's, or Debian's for a machine of another kind.
const PROGRAMS: &[&str] = &["sh", "ip", "tc", "ping", "cat", "true", "sleep"];

/// Test programs and all that they need, to run on any kernel.
#[derive(Debug)]
pub struct Guest {
    arch: Arch,
    /// Where programs and libraries come from, if not from this machine.
    userland: Option<Userland>,
    files: Initramfs,
    /// The files that every guest of this first process has.
    base: Initramfs,
    runs: Vec<Run>,
    modules: Vec<String>,
    /// The first process.
    init: PathBuf,
    directory: TempDir,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed(TestFailure),
    /// It skipped itself, for this reason.
    Skipped(String),
    /// It is marked `#[ignore]`.
    Ignored,
}

impl Outcome {
    /// One word: `passed`, `failed`, `skipped` or `ignored`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
            Self::Ignored => "ignored",
        }
    }

    /// Why it failed or was skipped.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Passed | Self::Ignored => None,
            Self::Failed(failure) => Some(failure.to_string()),
            Self::Skipped(reason) => Some(reason.clone()),
        }
    }
}

/// Why a test failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TestFailure {
    /// It panicked: the exit code 101 of Rust's test harness.
    Panic,
    /// It ended with another exit code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It ran longer than it may.
    Timeout(Duration),
    /// It could not be started.
    NotStarted,
    /// The guest crashed or stalled while it ran, twice.
    Crash(Crash),
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic => f.write_str("it panicked"),
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::Timeout(limit) => write!(f, "not done after {} s", limit.as_secs()),
            Self::NotStarted => f.write_str("it could not be started"),
            Self::Crash(crash) => write!(f, "the guest {crash}"),
        }
    }
}

/// The result of one test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestResult {
    /// Which of the guest's runs, in the order they were added.
    pub run: usize,
    /// The test's name; `None` for a program without a list of tests, which is run as one.
    pub test: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub duration: Duration,
    /// What it wrote to stdout and stderr.
    pub output: String,
    /// What it exercised, one line each: what it wrote to the file `HACHI_TEST_SUPPORT`.
    pub support: String,
}

impl Guest {
    /// A guest of this machine's kind with nothing to run. The calling program will be its first
    /// process, and must call [`crate::intercept`].
    ///
    /// # Errors
    /// Without QEMU, on a machine of another kind than guests can be of, or when a library of the
    /// calling program is missing.
    pub fn new() -> Result<Self> {
        let arch = Arch::here().ok_or(Error::Architecture)?;
        let this = std::env::current_exe().during("find", Path::new("this program"))?;
        Self::of(arch, &this)
    }

    /// A guest of that kind with nothing to run. Its first process will be `init`, a program for
    /// that machine that calls [`crate::intercept`] first in its `main`. The programs that tests
    /// start are this machine's if it is of that kind. Else they are Debian's, which are fetched
    /// into the cache.
    ///
    /// # Errors
    /// Without QEMU for that machine, when a library of `init` is missing, or when the package
    /// archive cannot be reached.
    pub fn of(arch: Arch, init: &Path) -> Result<Self> {
        qemu::require(arch)?;
        let directory = tempfile::Builder::new()
            .prefix("hachi-guest.")
            .tempdir()
            .during("create a directory in", &std::env::temp_dir())?;
        let userland = match Arch::here() == Some(arch) {
            true => None,
            false => Some(Userland::find(arch)?),
        };
        let mut guest = Self {
            arch,
            userland,
            init: init.to_owned(),
            files: Initramfs::default(),
            base: Initramfs::default(),
            runs: Vec::new(),
            modules: MODULES.iter().map(|&name| name.to_owned()).collect(),
            directory,
        };
        guest.add_program(init)?;
        for directory in ["/dev", "/proc", "/root", "/run", "/sys", "/tmp", "/var/tmp"] {
            guest.files.directory(directory);
        }
        guest.files.bytes(
            "/etc/passwd",
            b"root:x:0:0::/root:/bin/sh\n".to_vec(),
            0o644,
        );
        guest.files.bytes(
            "/etc/hosts",
            b"127.0.0.1 localhost\n::1 localhost\n".to_vec(),
            0o644,
        );
        for name in PROGRAMS {
            if let Some((path, from)) = guest.find(name) {
                guest.add_as(&path, &from)?;
            }
        }
        guest.base = guest.files.clone();
        Ok(guest)
    }

    /// Whether guests of that kind can run here: whether there is QEMU for them.
    ///
    /// # Errors
    /// [`Error::Missing`], with the command that installs it.
    pub fn require(arch: Arch) -> Result<()> {
        qemu::require(arch).map(drop)
    }

    /// The kind of machine that it is.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// Where a program is in the guest and here, by its name.
    fn find(&self, name: &str) -> Option<(PathBuf, PathBuf)> {
        match &self.userland {
            None => find_program(name).map(|path| (path.clone(), path)),
            Some(userland) => userland.program(name),
        }
    }

    /// The libraries that a program needs: where they are in the guest, and here.
    fn libraries(&self, program: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
        match &self.userland {
            None => {
                let paths = libraries(program)?.into_iter();
                Ok(paths.map(|path| (path.clone(), path)).collect())
            }
            Some(userland) => userland.libraries(program),
        }
    }

    /// Adds a test program, with the libraries it needs and the directory it runs in, which is its
    /// package's. The guest gets the files of that directory except hidden ones, those over 16 MiB
    /// and cargo's target directory; [`Guest::add_path`] adds any of these.
    ///
    /// # Errors
    /// When the program cannot be read or a library is missing.
    pub fn add_run(&mut self, run: Run) -> Result<()> {
        let known = self
            .runs
            .iter()
            .any(|other| other.directory == run.directory);
        if !known {
            self.files.tree(Path::new(&run.directory), &is_source)?;
        }
        self.add_program(Path::new(&run.program))?;
        self.runs.push(run);
        Ok(())
    }

    /// Adds a file, or a directory with all in it, at the same path.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add_path(&mut self, path: &Path) -> Result<()> {
        self.files.tree(path, &|_| true)
    }

    /// Adds a program that the host has in its `PATH`, as [`Guest::add_program`] does. A guest of
    /// another kind gets Debian's, as far as it is one of those that tests commonly start.
    ///
    /// # Errors
    /// When there is no such program; else as [`Guest::add_program`].
    pub fn add_program_by_name(&mut self, name: &str) -> Result<()> {
        let (path, from) = self.find(name).ok_or_else(|| Error::NoProgram {
            name: name.to_owned(),
        })?;
        self.add_as(&path, &from)
    }

    /// Adds a library of the guest's machine by its name, such as `libbpf.so.1`, with those that it
    /// needs. That there is none is not an error.
    ///
    /// # Errors
    /// When it cannot be read or a library that it needs is missing.
    pub fn add_library(&mut self, name: &str) -> Result<()> {
        let found = match &self.userland {
            None => host_library(name).map(|path| (path.clone(), path)),
            Some(userland) => userland.library(name),
        };
        match found {
            Some((path, from)) => self.add_as(&path, &from),
            None => Ok(()),
        }
    }

    /// Adds a program for the guest's machine without its debugging information, and the libraries
    /// it needs.
    ///
    /// # Errors
    /// When it cannot be read, is for another machine, or a library is missing.
    pub fn add_program(&mut self, path: &Path) -> Result<()> {
        self.add_as(path, path)
    }

    /// Adds the program `from` at `path`.
    fn add_as(&mut self, path: &Path, from: &Path) -> Result<()> {
        let copy = stripped(from, self.arch, self.directory.path());
        let libraries = self.libraries(from)?;
        self.files.libraries(libraries)?;
        self.files.file(path, &copy)
    }

    /// Adds a kernel module to those that every guest inserts. A kernel without such a module goes
    /// without it.
    pub fn add_module(&mut self, name: &str) {
        self.modules.push(name.to_owned());
    }

    /// The runs that were added.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Boots the kernel and runs everything; `look` sees each result as it comes. Ends early once
    /// `stop` is true.
    ///
    /// A guest that crashes or stalls is started again for the tests that are left. A test during
    /// which that happens twice has failed.
    ///
    /// # Errors
    /// When the guest does not boot, or crashes three times outside any test;
    /// [`Error::OtherArchitecture`] when the kernel is for another machine than the programs;
    /// [`Error::Interrupted`] when `stop` became true.
    pub fn run(
        &self,
        kernel: &Kernel,
        stop: &AtomicBool,
        look: &mut dyn FnMut(&TestResult),
    ) -> Result<Vec<TestResult>> {
        if kernel.arch() != self.arch {
            return Err(Error::OtherArchitecture {
                release: kernel.release().to_owned(),
                kernel: kernel.arch(),
                programs: self.arch,
            });
        }
        let mut session = Session {
            guest: self,
            kernel,
            stop,
            done: vec![BTreeSet::new(); self.runs.len()],
            finished: BTreeSet::new(),
            results: Vec::new(),
        };
        let mut strikes: BTreeMap<(usize, Option<String>), u32> = BTreeMap::new();
        let mut crashes_outside_tests = 0;
        while let Some((crash, during)) = session.boot(look)? {
            let Some((run, test)) = during else {
                crashes_outside_tests += 1;
                if crashes_outside_tests < 3 {
                    continue;
                }
                return Err(Error::Crashed {
                    release: session.release(),
                    crash,
                });
            };
            let strikes = strikes.entry((run, test.clone())).or_default();
            *strikes += 1;
            if *strikes == 2 {
                let result = TestResult {
                    run,
                    test,
                    outcome: Outcome::Failed(TestFailure::Crash(crash)),
                    duration: Duration::ZERO,
                    output: String::new(),
                    support: String::new(),
                };
                session.add(result, look);
            }
        }
        Ok(session.results)
    }
}

/// A library of this machine.
fn host_library(name: &str) -> Option<PathBuf> {
    let gnu = Arch::here().map_or_else(String::new, |arch| format!("/usr/lib/{}", arch.gnu()));
    [gnu.as_str(), "/usr/lib64", "/usr/lib"]
        .iter()
        .map(|directory| Path::new(directory).join(name))
        .find(|path| path.is_file())
}

/// Whether a guest gets this entry of a package's directory.
fn is_source(path: &Path) -> bool {
    const LARGE: u64 = 16 << 20;
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    // Cargo marks its target directory so.
    let built = path.join("CACHEDIR.TAG").exists();
    let large = || std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() > LARGE);
    !hidden && !built && !large()
}

/// The test that is running: its run and its name.
type Running = Option<(usize, Option<String>)>;

/// One run of a guest, over as many boots as it takes.
struct Session<'a> {
    guest: &'a Guest,
    kernel: &'a Kernel,
    stop: &'a AtomicBool,
    /// What has a result, by run; "" for a program without a list of tests.
    done: Vec<BTreeSet<String>>,
    /// Runs that have ended.
    finished: BTreeSet<usize>,
    results: Vec<TestResult>,
}

impl Session<'_> {
    fn add(&mut self, result: TestResult, look: &mut dyn FnMut(&TestResult)) {
        look(&result);
        self.done[result.run].insert(result.test.clone().unwrap_or_default());
        self.results.push(result);
    }

    fn release(&self) -> String {
        self.kernel.release().to_owned()
    }

    /// Runs what is left. If the guest ends before it is done, gives how, and the test that ran.
    fn boot(&mut self, look: &mut dyn FnMut(&TestResult)) -> Result<Option<(Crash, Running)>> {
        let directory = self.guest.directory.path().join(self.kernel.release());
        std::fs::create_dir_all(&directory).during("create", &directory)?;
        let console = directory.join("console");
        let (numbers, runs) = self.left();
        let Started { qemu, lines } = match self.resume(&directory, &console, &runs)? {
            Some(started) => started,
            None => self.start(&directory, &console, runs)?,
        };
        let mut test: Option<(usize, Option<String>, String)> = None;
        let mut stalled = None;
        let mut last = Instant::now();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted {
                    release: self.release(),
                });
            }
            let line = match lines.recv_timeout(Duration::from_millis(200)) {
                Ok(line) => line,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) if last.elapsed() < STALLED => continue,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    stalled = Some(STALLED);
                    break;
                }
            };
            last = Instant::now();
            let Ok(event) = serde_json::from_str(&line) else {
                continue;
            };
            match event {
                Event::Start { run, test: name } => {
                    test = Some((numbers[run], name, String::new()));
                }
                Event::Output(text) => {
                    if let Some((_, _, output)) = &mut test
                        && output.len() < MOST_OUTPUT
                    {
                        output.push_str(&text);
                    }
                }
                Event::End(end) => {
                    if let Some((run, test, output)) = test.take() {
                        self.add(judge(run, test, &end, output), look);
                    }
                }
                Event::Finished(run) => {
                    self.finished.insert(numbers[run]);
                }
                Event::Done => {
                    // It is about to power off; there is nothing to wait for.
                    return Ok(None);
                }
                Event::Warning(warning) => {
                    eprintln!("hachi: kernel {}: {warning}", self.kernel.release())
                }
                Event::Ready | Event::Booted(_) | Event::Alive => {}
            }
        }
        drop(lines);
        let qemu = qemu.end();
        let console = std::fs::read(&console).unwrap_or_default();
        let crash = Crash {
            stalled,
            qemu,
            console: relevant_lines(&String::from_utf8_lossy(&console)),
        };
        Ok(Some((crash, test.map(|(run, test, _)| (run, test)))))
    }

    /// The runs that are left, and their numbers.
    fn left(&self) -> (Vec<usize>, Vec<Run>) {
        let runs = self.guest.runs.iter().enumerate();
        let left = runs.filter(|(number, _)| !self.finished.contains(number));
        left.map(|(number, run)| {
            let without = self.done[number].clone();
            let run = Run {
                without,
                ..run.clone()
            };
            (number, run)
        })
        .unzip()
    }

    /// These files with the modules and the plan.
    fn files(&self, files: &Initramfs, mut plan: Plan) -> Result<Initramfs> {
        let mut files = files.clone();
        let modules: Vec<&str> = self.guest.modules.iter().map(String::as_str).collect();
        for (name, module) in self.kernel.modules(&modules)? {
            let path = format!("/hachi-modules/{name}.ko");
            files.bytes(&path, module, 0o644);
            plan.modules.push(path);
        }
        add_plan(&mut files, &plan)?;
        Ok(files)
    }

    /// Boots a guest for these runs.
    fn start(&self, directory: &Path, console: &Path, runs: Vec<Run>) -> Result<Started> {
        let plan = Plan {
            runs,
            ..Plan::default()
        };
        let initramfs = directory.join("initramfs");
        self.files(&self.guest.files, plan)?.write(&initramfs)?;
        let size = std::fs::metadata(&initramfs)
            .during("read", &initramfs)?
            .len();
        let mut qemu = qemu::start(&Setup {
            kernel: self.kernel,
            initramfs: &initramfs,
            init: &self.guest.init,
            console,
            megabytes: memory_for(size),
            way: Way::Boot,
        })?;
        let lines = lines(qemu.take_stdout());
        Ok(Started { qemu, lines })
    }

    /// Lets a saved guest go on with these runs. There is none if too much would have to be sent to
    /// it, or if a guest has crashed before.
    fn resume(&self, directory: &Path, console: &Path, runs: &[Run]) -> Result<Option<Started>> {
        let fresh = self.finished.is_empty() && self.done.iter().all(BTreeSet::is_empty);
        let mut files = self.guest.files.without(&self.guest.base);
        if !fresh || files.size() > MOST_SENT {
            return Ok(None);
        }
        let plan = Plan {
            waits: true,
            ..Plan::default()
        };
        let base = self.files(&self.guest.base, plan)?;
        let setup = Setup {
            kernel: self.kernel,
            initramfs: Path::new(""),
            init: &self.guest.init,
            console,
            megabytes: memory_for(base.size()),
            way: Way::Boot,
        };
        let plan = Plan {
            runs: runs.to_vec(),
            time: SystemTime::now().duration_since(UNIX_EPOCH).ok(),
            ..Plan::default()
        };
        add_plan(&mut files, &plan)?;
        match warm::resume(&setup, &base, &files, directory, self.stop) {
            Ok(started) => Ok(Some(started)),
            Err(_) if self.stop.load(Ordering::Relaxed) => Err(Error::Interrupted {
                release: self.release(),
            }),
            Err(error) => {
                let release = self.kernel.release();
                eprintln!("hachi: kernel {release}: no saved guest: {error}; it boots");
                Ok(None)
            }
        }
    }
}

/// A guest that is running.
pub(crate) struct Started {
    pub(crate) qemu: Child,
    /// What it reports.
    pub(crate) lines: mpsc::Receiver<String>,
}

/// Adds the plan to files.
fn add_plan(files: &mut Initramfs, plan: &Plan) -> Result<()> {
    let plan = serde_json::to_vec(plan)
        .map_err(std::io::Error::other)
        .during("write", Path::new(PLAN))?;
    files.bytes(PLAN, plan, 0o644);
    Ok(())
}

/// The memory of a guest, in MiB: the archive, and its contents with room to work: half of the
/// memory, as the kernel limits its first file system.
fn memory_for(archive: u64) -> u64 {
    2 * (768 + 2 * (archive >> 20))
}

pub(crate) fn lines(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    if let Some(stream) = stream {
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                if sender
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    break;
                }
            }
        });
    }
    lines
}

fn judge(run: usize, test: Option<String>, end: &End, output: String) -> TestResult {
    let skipped = end.skips.lines().next().map(|line| {
        // `skipped NAME: reason`.
        line.split_once(": ")
            .map_or(line, |(_, reason)| reason)
            .to_owned()
    });
    let duration = Duration::from_millis(end.milliseconds);
    let outcome = match (end.code, skipped) {
        (Some(0), Some(reason)) => Outcome::Skipped(reason),
        (Some(0), None) if output.contains("0 passed; 0 failed; 1 ignored") => Outcome::Ignored,
        (Some(0), None) => Outcome::Passed,
        (Some(101), _) => Outcome::Failed(TestFailure::Panic),
        (Some(code), _) => Outcome::Failed(TestFailure::Code(code)),
        (None, _) if end.timed_out => Outcome::Failed(TestFailure::Timeout(duration)),
        (None, _) => Outcome::Failed(match end.signal {
            Some(signal) => TestFailure::Signal(signal),
            None => TestFailure::NotStarted,
        }),
    };
    TestResult {
        run,
        test,
        outcome,
        duration,
        output,
        support: end.support.clone(),
    }
}

/// The lines of the console of a guest that crashed from the first that shows the trouble on, or
/// the last ones.
fn relevant_lines(console: &str) -> Vec<String> {
    const SIGNS: &[&str] = &[
        "BUG:",
        "Oops",
        "Kernel panic",
        "double fault",
        "general protection",
        "int3:",
        // arm64 and s390x
        "Internal error:",
        "illegal operation:",
    ];
    let lines: Vec<&str> = console.lines().map(str::trim_end).collect();
    let trouble = lines
        .iter()
        .position(|line| SIGNS.iter().any(|sign| line.contains(sign)));
    let shown = match trouble {
        Some(first) => &lines[first..lines.len().min(first + 40)],
        None => &lines[lines.len().saturating_sub(20)..],
    };
    shown.iter().map(|&line| line.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_how_a_test_ended() {
        let judged = |end: End, output: &str| judge(0, None, &end, output.to_owned()).outcome;
        let code = |code| End {
            code: Some(code),
            ..End::default()
        };
        assert_eq!(judged(code(0), ""), Outcome::Passed);
        let skipped = End {
            skips: "skipped a::b: no: printer\n".to_owned(),
            ..code(0)
        };
        assert_eq!(
            judged(skipped.clone(), ""),
            Outcome::Skipped("no: printer".to_owned())
        );
        let failed = End {
            code: Some(101),
            ..skipped
        };
        assert_eq!(judged(failed, ""), Outcome::Failed(TestFailure::Panic));
        let line = "test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured";
        assert_eq!(judged(code(0), line), Outcome::Ignored);
        let late = End {
            timed_out: true,
            milliseconds: 9000,
            ..End::default()
        };
        assert_eq!(
            judged(late, ""),
            Outcome::Failed(TestFailure::Timeout(Duration::from_secs(9)))
        );
        let killed = End {
            signal: Some(11),
            ..End::default()
        };
        assert_eq!(judged(killed, ""), Outcome::Failed(TestFailure::Signal(11)));
    }

    #[test]
    fn finds_the_trouble_on_the_console() {
        let console = format!("{}BUG: unable to handle\nmore\n", "boot\n".repeat(100));
        assert_eq!(relevant_lines(&console), ["BUG: unable to handle", "more"]);
        assert_eq!(relevant_lines(""), [""; 0]);
        assert_eq!(relevant_lines(&"x\n".repeat(30)), ["x"; 20]);
    }

    #[test]
    fn a_crash_shows_how_it_ended_and_the_console() {
        let crash = Crash {
            stalled: None,
            qemu: String::new(),
            console: vec!["BUG: one".to_owned(), "two".to_owned()],
        };
        assert_eq!(
            TestFailure::Crash(crash.clone()).to_string(),
            "the guest ended before its tests were done; its console:\n    BUG: one\n    two"
        );
        let stalled = Crash {
            stalled: Some(STALLED),
            qemu: "out of memory\n".to_owned(),
            console: Vec::new(),
        };
        assert_eq!(
            stalled.to_string(),
            "stalled: it was silent for 90 s; QEMU: out of memory; its console is empty"
        );
    }
}
