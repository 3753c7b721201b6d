//! What the tools share.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use hachi::maps::RingBuf;
use hachi::programs::AttachOptions;
use hachi::{Ebpf, Pod};
use signal_hook::consts::{SIGINT, SIGTERM};

/// How long a tool waits before it looks whether Ctrl-C was pressed.
const TURN: Duration = Duration::from_millis(100);

/// The object of the tool's kernel side, as the build script left it.
#[macro_export]
macro_rules! object {
    ($name:literal) => {
        ::hachi::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

/// Loads and attaches all programs, each to what its section names.
pub fn attach(ebpf: &mut Ebpf) -> anyhow::Result<()> {
    ebpf.attach_all(&AttachOptions::new())?;
    Ok(())
}

/// Ctrl-C, and being asked to end.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on Ctrl-C only sets this.
    pub fn new() -> anyhow::Result<Self> {
        let pressed = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, pressed.clone()).context("handling Ctrl-C")?;
        }
        Ok(Interrupt(pressed))
    }

    /// Whether it came.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits for it, at most so long; whether it came.
    pub fn wait(&self, at_most: Duration) -> bool {
        let end = std::time::Instant::now() + at_most;
        while !self.came() && std::time::Instant::now() < end {
            std::thread::sleep(TURN.min(at_most));
        }
        self.came()
    }
}

/// Gives `show` each event of the ring buffer `EVENTS`, until Ctrl-C.
pub fn follow<E: Pod>(ebpf: &mut Ebpf, mut show: impl FnMut(&E)) -> anyhow::Result<()> {
    let interrupt = Interrupt::new()?;
    let mut events = RingBuf::try_from(ebpf.take_map("EVENTS")?)?.events::<E>();
    while !interrupt.came() {
        if let Some(event) = events.next_timeout(TURN)? {
            show(&event);
        }
    }
    Ok(())
}

/// The text before the first NUL.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    let length = bytes.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&bytes[..length.unwrap_or(bytes.len())])
}
