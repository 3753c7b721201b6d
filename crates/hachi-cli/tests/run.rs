//! How `hachi run` ends, and what it tells until then.

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use hachi_test::{Bpffs, Netns, require_bpf};
use serde_json::Value;
use support::{hachi, object, run};

/// `hachi run OBJECT --iface lo ARGUMENTS…` in a network namespace of its own, with lo up.
struct Running {
    netns: Netns,
    child: Child,
}

impl Running {
    fn start(object: &Path, arguments: &[&str], streams: impl FnOnce(&mut Command)) -> Running {
        let netns = Netns::new().unwrap();
        netns.ip(["link", "set", "lo", "up"]).unwrap();
        let mut command = netns.command(env!("CARGO_BIN_EXE_hachi"));
        command
            .args(["run", "--iface", "lo"])
            .arg(object)
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // The tests themselves may have been started by nohup(1).
        // SAFETY: signal(2) is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_DFL);
                Ok(())
            });
        }
        streams(&mut command);
        let child = command.spawn().unwrap();
        Running { netns, child }
    }

    /// With its output read: waits until it says that it is attached.
    fn attached(object: &Path, arguments: &[&str]) -> (Running, BufReader<ChildStdout>) {
        let mut running = Running::start(object, arguments, |_| {});
        let mut reader = BufReader::new(running.child.stdout.take().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("attached"), "{line}{}", running.stderr());
        (running, reader)
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a child of ours that has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// How it ends, within ten seconds.
    fn end(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "it does not end"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stderr(&mut self) -> String {
        let mut text = String::new();
        let stream = self.child.stderr.take();
        stream.unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Whether a program is attached to lo.
    fn is_attached(&self) -> bool {
        let mut command = self.netns.command(env!("CARGO_BIN_EXE_hachi"));
        let links = run(command.args(["link", "list", "--json"])).code(0).json();
        let links = links["links"].as_array().unwrap();
        links.iter().any(|link| link["target"]["name"] == "lo")
    }

    fn wait_until_attached(&self) {
        let started = Instant::now();
        while !self.is_attached() {
            assert!(started.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends packets from lo to lo: each is seen twice, for the answer that nobody listens.
    fn send(&self, count: usize) {
        self.netns.run(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            for _ in 0..count {
                // The errors are those answers.
                let _ = socket.send_to(&[0; 20], "127.0.0.1:9");
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_signal_that_asks_for_the_end_detaches() {
    require_bpf!();
    let signals = [
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGHUP,
        libc::SIGQUIT,
        libc::SIGPIPE,
    ];
    for signal in signals {
        let (mut running, mut reader) = Running::attached(&object("watcher"), &[]);
        assert!(running.is_attached());
        running.signal(signal);
        assert_eq!(running.end().code(), Some(0), "signal {signal}");
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("detached\n"), "{rest}");
        assert!(!running.is_attached(), "signal {signal}");
    }
}

/// nohup(1) has the process ignore SIGHUP.
#[test]
fn a_hangup_that_is_ignored_stays_so() {
    require_bpf!();
    let mut running = Running::start(&object("watcher"), &[], |command| {
        // SAFETY: signal(2) is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                Ok(())
            });
        }
    });
    running.wait_until_attached();
    running.signal(libc::SIGHUP);
    std::thread::sleep(Duration::from_millis(200));
    assert!(running.is_attached());
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn a_full_disk_ends_it_with_one_line() {
    require_bpf!();
    for arguments in [&[][..], &["--json"], &["--quiet"]] {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let mut running = Running::start(&object("watcher"), arguments, |command| {
            command.stdout(full());
        });
        assert_eq!(running.end().code(), Some(1));
        let said = running.stderr();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("No space left on device"), "{said}");
        assert!(!running.is_attached());
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_silently() {
    require_bpf!();
    for arguments in [&[][..], &["--json"]] {
        let (mut running, reader) = Running::attached(&object("talker"), arguments);
        drop(reader);
        running.send(10);
        assert_eq!(running.end().code(), Some(1));
        assert_eq!(running.stderr(), "");
        assert!(!running.is_attached());
    }
}

/// A firewall does not go because its output goes nowhere.
#[test]
fn pins_stay_when_output_fails() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let dir = bpffs.join("wall");
    let pin = ["--pin", dir.to_str().unwrap()];
    let undo = |running: &Running| {
        assert!(running.is_attached());
        assert!(dir.join("links/talker-lo").exists());
        hachi(["unpin".as_ref(), "-r".as_ref(), dir.as_os_str()]).code(0);
        assert!(!running.is_attached());
    };

    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut running = Running::start(&object("talker"), &pin, |command| {
        command.stdout(full);
    });
    assert_eq!(running.end().code(), Some(1));
    let said = running.stderr();
    assert_eq!(said.lines().count(), 1, "{said}");
    undo(&running);

    let (mut running, reader) = Running::attached(&object("talker"), &pin);
    drop(reader);
    running.send(10);
    assert_eq!(running.end().code(), Some(1));
    assert_eq!(running.stderr(), "");
    undo(&running);
}

/// Packets sent while nobody reads what is said of them.
const FLOOD: usize = 25_000;

#[test]
fn lost_messages_are_counted_in_text() {
    require_bpf!();
    let (mut running, mut reader) = Running::attached(&object("talker"), &[]);
    running.send(FLOOD);
    running.signal(libc::SIGTERM);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(running.end().code(), Some(0));
    let shown = text.matches("a packet of").count();
    let lost = 2 * FLOOD - shown;
    assert!(lost > 0, "nothing was lost: {shown} messages");
    let grouped = |number: usize| format!("{},{:03}", number / 1000, number % 1000);
    let total = format!(
        "{} of {} log messages were lost",
        grouped(lost),
        grouped(2 * FLOOD)
    );
    assert!(text.contains(&total), "no {total:?}");
    let said = running.stderr();
    assert!(said.contains("log messages were lost"), "{said}");
}

#[test]
fn lost_messages_are_counted_in_json() {
    require_bpf!();
    let (mut running, mut reader) = Running::attached(&object("talker"), &["--json"]);
    running.send(FLOOD);
    // What waits is in the kernel's buffer and the pipe, not in the process.
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.unwrap().split_whitespace().next().unwrap();
    assert!(
        kilobytes.parse::<u64>().unwrap() < 64 * 1024,
        "{kilobytes} kB"
    );
    running.signal(libc::SIGTERM);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(running.end().code(), Some(0));
    let objects: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of_type = |kind: &str| {
        objects
            .iter()
            .filter(|object| object["type"] == kind)
            .count()
    };
    let shown = of_type("log");
    let lost: u64 = objects
        .iter()
        .filter(|object| object["type"] == "lost")
        .map(|object| object["count"].as_u64().unwrap())
        .sum();
    assert!(lost > 0);
    assert_eq!(shown as u64 + lost, 2 * FLOOD as u64);
    let end = objects.last().unwrap();
    assert_eq!(end["type"], "end");
    assert_eq!(end["messages"], shown);
    assert_eq!(end["lost"], lost);
}

/// A reader that never comes back keeps it from writing, but not from ending.
#[test]
fn a_reader_that_has_stopped_does_not_keep_it_from_ending() {
    require_bpf!();
    let (mut running, reader) = Running::attached(&object("talker"), &[]);
    running.send(FLOOD);
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().code(), Some(1));
    assert!(!running.is_attached());
    let said = running.stderr();
    assert!(said.contains("nobody reads it"), "{said}");
    drop(reader);
}

/// Each object is there as soon as it happened.
#[test]
fn objects_are_written_at_once() {
    require_bpf!();
    let (mut running, mut reader) = Running::attached(&object("talker"), &["--json"]);
    running.send(1);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let object: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(object["type"], "log");
    assert_eq!(object["level"], "INFO");
    assert_eq!(
        object["message"],
        "a packet of 62 bytes, told in a message of some length"
    );
    running.signal(libc::SIGINT);
    assert_eq!(running.end().code(), Some(0));
}

/// Longer than the clock counts.
#[test]
fn run_accepts_an_endless_duration() {
    require_bpf!();
    let (mut running, _reader) = Running::attached(&object("watcher"), &["--duration", "1e19"]);
    running.signal(libc::SIGINT);
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn globals_take_only_values_of_their_type() {
    require_bpf!();
    let netns = Netns::new().unwrap();
    let with = |setting: &str| {
        let mut command = netns.command(env!("CARGO_BIN_EXE_hachi"));
        command.args(["run", "--iface", "lo", "--duration", "0", "--set", setting]);
        run(command.arg(object("settings")))
    };
    with("FLAG=2").code(2).says(&["FLAG", "true or false"]);
    with("MODE=7").code(2).says(&["MODE", "Off (1), On (2)"]);
    with("MODE=0").code(2).says(&["Off (1), On (2)"]);
    with("MOOD=1").code(2).says(&["'MOOD'", "FLAG", "MODE"]);
    for setting in ["FLAG=true", "FLAG=0", "MODE=On", "MODE=1"] {
        with(setting).code(0);
    }
}
