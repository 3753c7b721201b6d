//! `hachi top` on a pseudo-terminal of 80 columns and 24 lines.

mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hachi::programs::{Program, TestRunOptions};
use hachi::{Ebpf, EbpfLoader};
use hachi_test::require_bpf;
use support::{hachi, object};

/// Whether the kernel counts is one for all, so the tests take turns.
static TURN: Mutex<()> = Mutex::new(());

/// A terminal, and what has been drawn on it.
struct Terminal {
    master: File,
    drawn: Arc<Mutex<String>>,
    child: Child,
}

impl Terminal {
    fn run(arguments: &[&str]) -> Terminal {
        let size = libc::winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let (mut master, mut slave) = (-1, -1);
        // SAFETY: the two numbers and the size live through the call, which writes the former; no
        // name and no settings are given.
        let opened = unsafe {
            libc::openpty(
                &mut master,
                &mut slave,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                &size,
            )
        };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: both descriptors were just made, and belong to nobody else.
        let (master, slave) =
            unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        let master = File::from(master);
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_hachi"))
            .args(arguments)
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let drawn = Arc::new(Mutex::new(String::new()));
        let (mut reader, seen) = (master.try_clone().unwrap(), Arc::clone(&drawn));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // It ends with an error once nobody holds the other end.
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
                seen.lock().unwrap().push_str(&text);
            }
        });
        Terminal {
            master,
            drawn,
            child,
        }
    }

    fn drawn(&self) -> String {
        self.drawn.lock().unwrap().clone()
    }

    /// The words drawn since `from`: what is between them, the terminal skips.
    fn words(&self, from: usize) -> String {
        let drawn = self.drawn();
        let mut words = String::new();
        let mut rest = &drawn[from..];
        while let Some(at) = rest.find("\x1b[") {
            words.push_str(&rest[..at]);
            rest = &rest[at + 2..];
            let end = rest.find(|c: char| c.is_ascii_alphabetic());
            let end = end.unwrap_or(rest.len().saturating_sub(1));
            if rest[end..].starts_with('H') {
                words.push(' ');
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        words.push_str(rest);
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Waits until this has been drawn since `from`.
    #[track_caller]
    fn wait_for(&self, text: &str, from: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if self.words(from).contains(text) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no {text:?} in {:?}", self.words(from));
    }

    /// Waits until the screen as it was is back: what the process wrote last may be read after it
    /// has ended.
    #[track_caller]
    fn wait_for_the_old_screen(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.drawn().contains("\x1b[?1049l") {
            assert!(Instant::now() < deadline, "{:?}", self.drawn());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses keys, and gives where what is drawn afterwards begins.
    fn press(&mut self, keys: &str) -> usize {
        let from = self.drawn().len();
        self.master.write_all(keys.as_bytes()).unwrap();
        from
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn load() -> Ebpf {
    let mut loaded = EbpfLoader::new().load_file(object("watcher")).unwrap();
    loaded.program_mut("watcher").unwrap().load().unwrap();
    loaded
}

/// Runs the program, and says how often the kernel has counted it.
fn counted(program: &Program) -> u64 {
    let packet = [0; 64];
    let options = TestRunOptions::new().data(&packet).repeat(100);
    program.test_run(&options).unwrap();
    program.info().unwrap().run_stats().0
}

#[test]
fn programs_are_shown_sorted_filtered_and_in_detail() {
    require_bpf!();
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let loaded = load();
    let program = loaded.program("watcher").unwrap();
    let id = program.info().unwrap().id().to_string();
    let mut top = Terminal::run(&["top", "--interval", "0.1", "--filter", &id]);
    top.wait_for("hachi top", 0);
    for part in ["RUNS/S", "NS/RUN", "watcher", &id, "s: sort"] {
        top.wait_for(part, 0);
    }
    // What the terminal shows is counted.
    let before = program.info().unwrap().run_stats().0;
    assert!(counted(program) >= before + 100);
    let from = top.press("s");
    top.wait_for("runs/s", from);
    let from = top.press("\r");
    top.wait_for("attached to nothing", from);
    top.wait_for("COUNTERS", from);
    top.wait_for("let bytes = ctx.len()", from);
    let from = top.press("p");
    top.wait_for("PAUSED", from);
    top.press("q");
    let status = top.child.wait().unwrap();
    assert!(status.success(), "{}", top.drawn());
    top.wait_for_the_old_screen();
}

#[test]
fn counting_ends_with_it_even_when_it_is_killed() {
    require_bpf!();
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let loaded = load();
    let program = loaded.program("watcher").unwrap();
    let mut top = Terminal::run(&["top", "--interval", "0.1"]);
    top.wait_for("RUNS/S", 0);
    let before = program.info().unwrap().run_stats().0;
    assert!(counted(program) >= before + 100);
    top.child.kill().unwrap();
    top.child.wait().unwrap();
    // Others on this machine may count for a while.
    let stopped = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let before = program.info().unwrap().run_stats().0;
        counted(program) == before
    });
    assert!(stopped, "the kernel still counts");
}

#[test]
fn a_signal_restores_the_terminal_and_a_pipe_is_not_a_terminal() {
    require_bpf!();
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut top = Terminal::run(&["top"]);
    top.wait_for("hachi top", 0);
    top.press("\x03");
    assert!(top.child.wait().unwrap().success());
    hachi(["top"])
        .code(2)
        .says(&["terminal", "hachi prog stats"]);
}
