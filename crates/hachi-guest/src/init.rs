//! The first process of a guest: mounts file systems, inserts modules, runs the [`Plan`], reports
//! each test, powers off.
//!
//! It is the program that started the guest: see [`crate::intercept`].

use crate::protocol::{End, Event, PLAN, PORT, Plan, Run};
use crate::{initramfs, sys};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Where a test writes that it was skipped.
const SKIPS: &str = "/hachi-skips";

/// Where a test writes what it exercised.
const SUPPORT: &str = "/hachi-support";

/// The flags of the interface `lo`. `IFF_UP | IFF_LOOPBACK`, 9, brings it up.
const LOOPBACK_FLAGS: &str = "/sys/class/net/lo/flags";

/// How often a running test is reported to be alive.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Source, target, type and options of what is mounted.
const MOUNTS: &[(&str, &str, &str, &str)] = &[
    ("proc", "/proc", "proc", ""),
    ("sysfs", "/sys", "sysfs", ""),
    ("devtmpfs", "/dev", "devtmpfs", ""),
    ("devpts", "/dev/pts", "devpts", ""),
    ("tmpfs", "/dev/shm", "tmpfs", ""),
    ("bpf", "/sys/fs/bpf", "bpf", ""),
    ("cgroup2", "/sys/fs/cgroup", "cgroup2", ""),
    ("debugfs", "/sys/kernel/debug", "debugfs", ""),
    ("tracefs", "/sys/kernel/tracing", "tracefs", ""),
    ("securityfs", "/sys/kernel/security", "securityfs", ""),
];

/// Runs the plan and powers the machine off.
pub fn main() -> ! {
    if let Err(error) = run() {
        // The port may not be open: only the console is sure to be there.
        eprintln!("hachi: {error}");
    }
    sys::power_off();
    loop {
        thread::park();
    }
}

fn run() -> io::Result<()> {
    let mut warnings = Vec::new();
    for (source, target, kind, options) in MOUNTS {
        let mounted =
            fs::create_dir_all(target).and_then(|()| sys::mount(source, target, kind, options));
        if let Err(error) = mounted {
            warnings.push(format!("mounting {target}: {error}"));
        }
    }
    let mut plan: Plan = serde_json::from_slice(&fs::read(PLAN)?)?;
    for module in &plan.modules {
        if let Err(error) = File::open(module).and_then(|file| sys::insert_module(&file)) {
            warnings.push(format!("inserting {module}: {error}"));
        }
    }
    if let Err(error) = fs::write(LOOPBACK_FLAGS, "0x9") {
        warnings.push(format!("bringing up lo: {error}"));
    }
    let mut report = Report {
        port: open_port().map_err(|error| explained(error, &warnings))?,
    };
    if plan.waits {
        report.send(&Event::Ready)?;
        initramfs::unpack(Patient(&report.port), Path::new("/"))?;
        plan = serde_json::from_slice(&fs::read(PLAN)?)?;
    }
    if let Some(Err(error)) = plan.time.map(sys::set_clock) {
        warnings.push(format!("setting the clock: {error}"));
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    report.send(&Event::Booted(release.trim().to_owned()))?;
    for warning in warnings {
        report.send(&Event::Warning(warning))?;
    }
    for (number, run) in plan.runs.iter().enumerate() {
        run_all(number, run, &mut report)?;
        report.send(&Event::Finished(number))?;
    }
    report.send(&Event::Done)
}

fn explained(error: io::Error, warnings: &[String]) -> io::Error {
    io::Error::other(format!(
        "no port to report to: {error}; {}",
        warnings.join("; ")
    ))
}

/// Opens the serial port, which appears a moment after its driver is loaded.
fn open_port() -> io::Result<File> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let ports = fs::read_dir("/sys/class/virtio-ports");
        for port in ports.into_iter().flatten().flatten() {
            let name = fs::read_to_string(port.path().join("name")).unwrap_or_default();
            let device = Path::new("/dev").join(port.file_name());
            if name.trim() == PORT && device.exists() {
                return File::options().read(true).write(true).open(device);
            }
        }
        if Instant::now() > deadline {
            return Err(io::ErrorKind::NotFound.into());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads the port, which is at its end whenever nobody is at the other side: before the host has
/// connected, and in the moment in which a saved guest goes on.
struct Patient<'a>(&'a File);

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer)? {
                0 if !buffer.is_empty() => thread::sleep(Duration::from_millis(2)),
                read => return Ok(read),
            }
        }
    }
}

/// Sends events to the host.
struct Report {
    port: File,
}

impl Report {
    fn send(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.port.write_all(&line)
    }
}

/// Runs each test of a program in a process of its own; a program that cannot list its tests runs
/// once.
fn run_all(number: usize, run: &Run, report: &mut Report) -> io::Result<()> {
    match list(run) {
        Some(tests) => {
            for test in tests {
                if !run.without.contains(&test) {
                    run_one(number, run, Some(test), report)?;
                }
            }
            Ok(())
        }
        None if run.without.contains("") => Ok(()),
        None => run_one(number, run, None, report),
    }
}

/// The program's tests, if it can list them as Rust's test harness does.
fn list(run: &Run) -> Option<Vec<String>> {
    // Where it does not even start, running it says why.
    let output = command(run)
        .args(["--list", "--format", "terse"])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    if !output.status.success() {
        return None;
    }
    let mut tests = Vec::new();
    for line in text.lines() {
        let (name, kind) = line.rsplit_once(": ")?;
        match kind {
            "test" => tests.push(name.to_owned()),
            "benchmark" => {}
            _ => return None,
        }
    }
    Some(tests)
}

fn command(run: &Run) -> Command {
    let mut command = Command::new(&run.program);
    command
        .args(&run.arguments)
        .current_dir(&run.directory)
        .stdin(Stdio::null())
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("HOME", "/")
        // With one thread the harness runs tests on the main thread, which has no test's name.
        .env("RUST_TEST_THREADS", "2")
        .envs(run.environment.iter().map(|(name, value)| (name, value)))
        // The host's values of these, if any, name files of the host.
        .env("HACHI_TEST_SKIPS", SKIPS)
        .env("HACHI_TEST_SUPPORT", SUPPORT)
        .env("HACHI_GUEST", "1");
    command
}

/// The arguments for one test of a program that was given `arguments`: the test's name replaces
/// filters.
fn arguments_for(test: &str, arguments: &[String]) -> Vec<String> {
    let mut kept = vec![test.to_owned()];
    kept.extend(["--exact", "--nocapture"].map(String::from));
    let ignored = ["--ignored", "--include-ignored"];
    kept.extend(
        arguments
            .iter()
            .filter(|argument| ignored.contains(&argument.as_str()))
            .cloned(),
    );
    kept
}

fn run_one(number: usize, run: &Run, test: Option<String>, report: &mut Report) -> io::Result<()> {
    let _ = fs::remove_file(SKIPS);
    let _ = fs::remove_file(SUPPORT);
    let arguments = match &test {
        Some(test) => arguments_for(test, &run.arguments),
        None => run.arguments.clone(),
    };
    report.send(&Event::Start { run: number, test })?;
    let run = Run {
        arguments,
        ..run.clone()
    };
    let start = Instant::now();
    let mut end = match supervise(&run, report) {
        Ok(end) => end,
        Err(error) => {
            report.send(&Event::Output(format!("running {}: {error}", run.program)))?;
            End::default()
        }
    };
    end.milliseconds = start.elapsed().as_millis() as u64;
    end.skips = fs::read_to_string(SKIPS).unwrap_or_default();
    end.support = fs::read_to_string(SUPPORT).unwrap_or_default();
    report.send(&Event::End(end))
}

/// Runs the program until it ends or its time is up.
fn supervise(run: &Run, report: &mut Report) -> io::Result<End> {
    let (mut output, input) = io::pipe()?;
    let mut command = command(run);
    let mut child = command
        .stdout(input.try_clone()?)
        .stderr(input)
        .process_group(0)
        .spawn()?;
    // The command holds the writing end; without it the reader sees the end of the output.
    drop(command);
    let (sender, chunks) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if sender.send(text).is_err() {
                break;
            }
        }
    });
    let start = Instant::now();
    let limit = Duration::from_secs(run.seconds);
    let mut alive = start;
    let mut end = End::default();
    // The output ends when the program and all that it started have ended.
    loop {
        match chunks.recv_timeout(Duration::from_millis(200)) {
            Ok(text) => report.send(&Event::Output(text))?,
            Err(RecvTimeoutError::Disconnected) => break,
            // A process that it started may outlive it and hold the pipe.
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_some() => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if start.elapsed() > limit {
            end.timed_out = true;
            break;
        }
        if alive.elapsed() > HEARTBEAT {
            alive = Instant::now();
            report.send(&Event::Alive)?;
        }
    }
    if !end.timed_out {
        while child.try_wait()?.is_none() && start.elapsed() <= limit {
            thread::sleep(Duration::from_millis(2));
        }
        end.timed_out = child.try_wait()?.is_none();
    }
    sys::kill_group(child.id());
    let status = child.wait()?;
    if !end.timed_out {
        (end.code, end.signal) = (status.code(), status.signal());
    }
    while let Ok(text) = chunks.try_recv() {
        report.send(&Event::Output(text))?;
    }
    sys::reap();
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_test_replaces_filters() {
        let given = ["some", "--include-ignored", "--test-threads=1"].map(String::from);
        assert_eq!(
            arguments_for("a::b", &given),
            ["a::b", "--exact", "--nocapture", "--include-ignored"]
        );
    }
}
