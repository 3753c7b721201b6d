//! What the tools share.

pub mod maglev;
pub mod symbols;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use hachi::maps::{PerCpuArray, RingBuf};
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

/// The counts of a histogram with a bar for each power of two, and their unit.
pub fn histogram(counts: &[u64], unit: &str) -> String {
    const WIDTH: u64 = 40;
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let end = counts.iter().rposition(|&count| count > 0);
    let mut text = format!("{unit:>24} : {:<8} distribution\n", "count");
    for (slot, &count) in counts[..end.map_or(0, |end| end + 1)].iter().enumerate() {
        let (from, to) = if slot == 0 {
            (0, 1)
        } else {
            (1 << slot, (2 << slot) - 1)
        };
        let bar = "*".repeat((count * WIDTH / most) as usize);
        text += &format!("{from:>10} -> {to:<10} : {count:<8} |{bar:<40}|\n");
    }
    text
}

/// The histogram that the programs have filled: the per-CPU array `HISTOGRAM`.
pub fn counts(ebpf: &Ebpf) -> anyhow::Result<Vec<u64>> {
    let array: PerCpuArray<_, u64> = PerCpuArray::try_from(ebpf.map("HISTOGRAM")?)?;
    let mut counts = Vec::new();
    for on_cpus in array.iter() {
        counts.push(on_cpus?.iter().sum());
    }
    Ok(counts)
}

/// An address of `version` 4 or 6 of IP.
pub fn address(version: u16, bytes: [u8; 16]) -> IpAddr {
    match version {
        4 => IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]),
        _ => IpAddr::from(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_read_well() {
        let text = histogram(&[1, 0, 4, 0], "usecs");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[1].starts_with("         0 -> 1          : 1        |********** "));
        assert!(lines[3].starts_with("         4 -> 7          : 4        |*****"));
    }

    #[test]
    fn text_ends_at_the_nul() {
        assert_eq!(text(b"cat\0\0t"), "cat");
        assert_eq!(text(b"full"), "full");
    }
}
