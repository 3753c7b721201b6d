//! The number of possible CPUs: how many values each element of a per-CPU map has.

use std::{fs, io, sync::OnceLock};

const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

static COUNT: OnceLock<usize> = OnceLock::new();

/// The number of possible CPUs of the machine (not of those online or allowed to this process).
///
/// From `/sys/devices/system/cpu/possible`; read once.
#[inline]
pub(crate) fn possible() -> io::Result<usize> {
    match COUNT.get() {
        Some(&count) => Ok(count),
        None => read_possible(),
    }
}

fn read_possible() -> io::Result<usize> {
    let text = fs::read_to_string(POSSIBLE)
        .map_err(|error| io::Error::new(error.kind(), format!("{POSSIBLE}: {error}")))?;
    let count = count(&text).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{POSSIBLE}: cannot read {text:?}"),
        )
    })?;
    Ok(*COUNT.get_or_init(|| count))
}

/// The numbers of the CPUs that are online now.
pub(crate) fn online() -> io::Result<Vec<u32>> {
    const ONLINE: &str = "/sys/devices/system/cpu/online";
    let text = fs::read_to_string(ONLINE)
        .map_err(|error| io::Error::new(error.kind(), format!("{ONLINE}: {error}")))?;
    list(&text).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{ONLINE}: cannot read {text:?}"),
        )
    })
}

fn list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(first.parse::<u32>().ok()?..=last.parse::<u16>().ok()?.into());
    }
    Some(cpus)
}

/// The kernel sizes per-CPU values by its highest possible id, so a gap in the list counts as CPUs.
fn count(text: &str) -> Option<usize> {
    let mut highest = None;
    for range in text.trim().split(',') {
        let last = range.rsplit('-').next()?.parse::<usize>().ok()?;
        highest = highest.max(Some(last));
    }
    highest?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges() {
        assert_eq!(count("0\n"), Some(1));
        assert_eq!(count("0-7\n"), Some(8));
        assert_eq!(count("0,2-5\n"), Some(6));
        assert_eq!(count(""), None);
        assert_eq!(count("a-b"), None);
        assert!(possible().unwrap() >= 1);
        assert_eq!(list("0,2-4\n"), Some(vec![0, 2, 3, 4]));
        assert_eq!(list("x"), None);
        assert!(!online().unwrap().is_empty());
    }
}
