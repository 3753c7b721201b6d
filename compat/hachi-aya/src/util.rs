//! Small facts about the machine.

use std::{fs, io};

pub use hachi::KernelVersion;

const ONLINE: &str = "/sys/devices/system/cpu/online";
const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

/// The numbers of the CPUs that are online.
///
/// # Errors
/// The file that could not be read or understood, and why.
pub fn online_cpus() -> Result<Vec<u32>, (&'static str, io::Error)> {
    let text = fs::read_to_string(ONLINE).map_err(|error| (ONLINE, error))?;
    cpu_list(text.trim()).ok_or_else(|| {
        let reason = format!("not a list of CPUs: {text:?}");
        (ONLINE, io::Error::new(io::ErrorKind::InvalidData, reason))
    })
}

/// The number of possible CPUs: how many values each element of a per-CPU map has.
///
/// # Errors
/// The file that could not be read or understood, and why.
pub fn nr_cpus() -> Result<usize, (&'static str, io::Error)> {
    hachi::util::nr_cpus().map_err(|error| (POSSIBLE, error))
}

/// `0-3,5` as numbers.
fn cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cpus.extend(first.parse().ok()?..=last.parse::<u32>().ok()?);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_of_cpus() {
        assert_eq!(cpu_list("0"), Some(vec![0]));
        assert_eq!(cpu_list("0-2,5,7-8"), Some(vec![0, 1, 2, 5, 7, 8]));
        for wrong in ["", "a", "1-", "-1", "0,,2"] {
            assert_eq!(cpu_list(wrong), None, "{wrong:?}");
        }
    }
}
