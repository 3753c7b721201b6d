//! Running test programs in a guest.

use super::error::{Error, IoContext, Result};
use super::initramfs::{Initramfs, stripped};
use super::protocol::{End, Event, PLAN, Plan, Run};
use super::{Kernel, qemu};
use crate::TempDir;
use crate::process::find_program;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A guest that says nothing for so long hangs: a test that takes its time reports every few
/// seconds.
const STALLED: Duration = Duration::from_secs(90);

/// What is kept of a test's output.
const MOST_OUTPUT: usize = 1 << 20;

/// What the kernels have as modules that eBPF programs and their tests want.
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

/// What tests start, where the host has it.
const PROGRAMS: &[&str] = &["sh", "ip", "tc", "ping", "cat", "true", "sleep"];

/// What to run, on any kernel: test programs and what they need.
#[derive(Debug)]
pub struct Guest {
    files: Initramfs,
    runs: Vec<Run>,
    modules: Vec<String>,
    /// The first process.
    init: PathBuf,
    directory: TempDir,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Passed,
    /// Badly, with the reason where it is more than a panic.
    Failed(String),
    /// It did nothing, for this reason.
    Skipped(String),
    /// It is marked `#[ignore]`.
    Ignored,
}

/// What came of one test.
#[derive(Clone, Debug)]
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
    /// What it exercised, a line each: see [`Exercise`](crate::Exercise).
    pub support: String,
}

/// Why a guest ended before it was done.
struct Crash {
    /// The test that ran.
    during: Option<(usize, Option<String>)>,
    problem: String,
}

impl Guest {
    /// A guest without anything to run. The calling program will be its first process, and has to
    /// call [`super::intercept`].
    ///
    /// # Errors
    /// Without QEMU, or when the program's own libraries are not found.
    pub fn new() -> Result<Self> {
        qemu::require()?;
        let directory = TempDir::new().map_err(|error| Error::Malformed {
            path: std::env::temp_dir(),
            problem: error.to_string(),
        })?;
        let this = std::env::current_exe().during("find", Path::new("this program"))?;
        let mut guest = Self {
            init: this.clone(),
            files: Initramfs::default(),
            runs: Vec::new(),
            modules: MODULES.iter().map(|&name| name.to_owned()).collect(),
            directory,
        };
        guest.add_program(&this)?;
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
            if let Some(path) = find_program(name) {
                guest.add_program(&path)?;
            }
        }
        Ok(guest)
    }

    /// Adds a test program, with the libraries it needs, and the directory it runs in: a package's,
    /// with the files of the package. What is built is left behind, and so are large files and
    /// hidden ones: [`Guest::add_path`] takes those.
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

    /// Carries a file, or a directory with all in it, to the same place in the guest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add_path(&mut self, path: &Path) -> Result<()> {
        self.files.tree(path, &|_| true)
    }

    /// Carries a program of the host, less its debugging information, with the libraries it needs.
    ///
    /// # Errors
    /// When it cannot be read or a library is missing.
    pub fn add_program(&mut self, path: &Path) -> Result<()> {
        let copy = stripped(path, self.directory.path());
        self.files.program(path, path)?;
        self.files.file(path, &copy)
    }

    /// Has a module inserted, beside those that every guest gets; if the kernel has no such module,
    /// nothing happens.
    pub fn add_module(&mut self, name: &str) {
        self.modules.push(name.to_owned());
    }

    /// The runs that were added.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Boots the kernel and runs everything. Each result is shown to `look` as it comes.
    ///
    /// A guest that crashes or stalls is started again with what is left to do; a test that was
    /// running then twice has failed.
    ///
    /// # Errors
    /// When the guest does not come up, or ends again and again without a test to blame; also when
    /// [`crate::interrupted`].
    pub fn run(
        &self,
        kernel: &Kernel,
        look: &mut dyn FnMut(&TestResult),
    ) -> Result<Vec<TestResult>> {
        let mut session = Session {
            guest: self,
            kernel,
            done: vec![BTreeSet::new(); self.runs.len()],
            finished: BTreeSet::new(),
            results: Vec::new(),
        };
        let mut strikes: BTreeMap<(usize, Option<String>), u32> = BTreeMap::new();
        let mut in_vain = 0;
        while let Some(Crash { during, problem }) = session.boot(look)? {
            let Some((run, test)) = during else {
                in_vain += 1;
                if in_vain < 3 {
                    continue;
                }
                return Err(session.trouble(problem));
            };
            let strikes = strikes.entry((run, test.clone())).or_default();
            *strikes += 1;
            if *strikes == 2 {
                let result = TestResult {
                    run,
                    test,
                    outcome: Outcome::Failed(format!("the guest {problem}")),
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

/// Whether an entry of a package's directory goes along with its tests.
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

/// The way to the end of everything, over as many boots as it takes.
struct Session<'a> {
    guest: &'a Guest,
    kernel: &'a Kernel,
    /// What has a result, by run; "" for a program without a list of tests.
    done: Vec<BTreeSet<String>>,
    /// Runs with nothing left.
    finished: BTreeSet<usize>,
    results: Vec<TestResult>,
}

impl Session<'_> {
    fn add(&mut self, result: TestResult, look: &mut dyn FnMut(&TestResult)) {
        look(&result);
        self.done[result.run].insert(result.test.clone().unwrap_or_default());
        self.results.push(result);
    }

    fn trouble(&self, problem: String) -> Error {
        Error::Guest {
            release: self.kernel.release().to_owned(),
            problem,
        }
    }

    /// Runs what is left. Gives why that ended, unless by being done.
    fn boot(&mut self, look: &mut dyn FnMut(&TestResult)) -> Result<Option<Crash>> {
        let directory = self.guest.directory.join(self.kernel.release());
        std::fs::create_dir_all(&directory).during("create", &directory)?;
        let (initramfs, console) = (directory.join("initramfs"), directory.join("console"));
        let numbers = self.pack(&initramfs)?;
        let size = std::fs::metadata(&initramfs)
            .during("read", &initramfs)?
            .len();
        // The archive, its contents, and room to work.
        let megabytes = 768 + 2 * (size >> 20);
        let mut qemu = qemu::start(
            self.kernel,
            &initramfs,
            &self.guest.init,
            &console,
            megabytes,
        )?;
        let lines = lines(qemu.take_stdout());
        let mut test: Option<(usize, Option<String>, String)> = None;
        let mut ended = "ended".to_owned();
        let mut last = Instant::now();
        loop {
            if crate::interrupted() {
                return Err(self.trouble("interrupted".to_owned()));
            }
            let line = match lines.recv_timeout(Duration::from_millis(200)) {
                Ok(line) => line,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) if last.elapsed() < STALLED => continue,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    ended = format!("stalled: nothing for {STALLED:?}");
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
                    // It is about to switch itself off; there is nothing to wait for.
                    return Ok(None);
                }
                Event::Warning(warning) => {
                    eprintln!("hachi: kernel {}: {warning}", self.kernel.release())
                }
                Event::Booted(_) | Event::Alive => {}
            }
        }
        drop(lines);
        let said = qemu.end();
        let console = std::fs::read(&console).unwrap_or_default();
        let problem = format!(
            "{ended}; {said}{}",
            last_of(&String::from_utf8_lossy(&console))
        );
        let during = test.map(|(run, test, _)| (run, test));
        Ok(Some(Crash { during, problem }))
    }

    /// Writes the initial file system for what is left, and gives the numbers of the runs in it.
    fn pack(&self, path: &Path) -> Result<Vec<usize>> {
        let mut files = self.guest.files.clone();
        let mut plan = Plan::default();
        let modules: Vec<&str> = self.guest.modules.iter().map(String::as_str).collect();
        for (name, module) in self.kernel.modules(&modules)? {
            let path = format!("/hachi-modules/{name}.ko");
            files.bytes(&path, module, 0o644);
            plan.modules.push(path);
        }
        let mut numbers = Vec::new();
        for (number, run) in self.guest.runs.iter().enumerate() {
            if !self.finished.contains(&number) {
                numbers.push(number);
                let without = self.done[number].clone();
                plan.runs.push(Run {
                    without,
                    ..run.clone()
                });
            }
        }
        let plan = serde_json::to_vec(&plan)
            .map_err(std::io::Error::other)
            .during("write", path)?;
        files.bytes(PLAN, plan, 0o644);
        files.write(path)?;
        Ok(numbers)
    }
}

fn lines(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
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
        // `skipped NAME: reason`, and the name is known.
        line.split_once(": ")
            .map_or(line, |(_, reason)| reason)
            .to_owned()
    });
    let outcome = match (end.code, skipped) {
        (Some(0), Some(reason)) => Outcome::Skipped(reason),
        (Some(0), None) if output.contains("0 passed; 0 failed; 1 ignored") => Outcome::Ignored,
        (Some(0), None) => Outcome::Passed,
        (Some(101), _) => Outcome::Failed(String::new()),
        (Some(code), _) => Outcome::Failed(format!("exit code {code}")),
        (None, _) if end.timed_out => {
            Outcome::Failed(format!("not done after {} s", end.milliseconds / 1000))
        }
        (None, _) => Outcome::Failed(match end.signal {
            Some(signal) => format!("ended by signal {signal}"),
            None => "it could not be started".to_owned(),
        }),
    };
    TestResult {
        run,
        test,
        outcome,
        duration: Duration::from_millis(end.milliseconds),
        output,
        support: end.support.clone(),
    }
}

/// What a person wants to see of the console of a guest that crashed.
fn last_of(console: &str) -> String {
    const SIGNS: &[&str] = &[
        "BUG:",
        "Oops",
        "Kernel panic",
        "double fault",
        "general protection",
        "int3:",
    ];
    let lines: Vec<&str> = console.lines().map(str::trim_end).collect();
    let trouble = lines
        .iter()
        .position(|line| SIGNS.iter().any(|sign| line.contains(sign)));
    let shown = match trouble {
        Some(first) => &lines[first..lines.len().min(first + 40)],
        None => &lines[lines.len().saturating_sub(20)..],
    };
    if shown.is_empty() {
        return "its console is empty".to_owned();
    }
    format!("its console:\n    {}", shown.join("\n    "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_judged() {
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
        assert_eq!(judged(failed, ""), Outcome::Failed(String::new()));
        let line = "test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured";
        assert_eq!(judged(code(0), line), Outcome::Ignored);
        let late = End {
            timed_out: true,
            milliseconds: 9000,
            ..End::default()
        };
        assert_eq!(
            judged(late, ""),
            Outcome::Failed("not done after 9 s".to_owned())
        );
        let killed = End {
            signal: Some(11),
            ..End::default()
        };
        assert_eq!(
            judged(killed, ""),
            Outcome::Failed("ended by signal 11".to_owned())
        );
    }

    #[test]
    fn trouble_is_found_on_the_console() {
        let console = format!("{}BUG: unable to handle\nmore\n", "boot\n".repeat(100));
        assert_eq!(
            last_of(&console),
            "its console:\n    BUG: unable to handle\n    more"
        );
        assert!(last_of("").contains("empty"));
        assert_eq!(last_of(&"x\n".repeat(30)).matches('x').count(), 20);
    }
}
