//! Small facts about the machine.

use std::{collections::BTreeMap, error::Error, fs, io};

/// A version of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    major: u8,
    minor: u8,
    patch: u16,
}

impl KernelVersion {
    /// A version from its numbers.
    pub const fn new(major: u8, minor: u8, patch: u16) -> Self {
        KernelVersion {
            major,
            minor,
            patch,
        }
    }

    /// The running kernel.
    ///
    /// # Errors
    /// When it calls itself something unreadable.
    pub fn current() -> Result<Self, impl Error> {
        let known = hachi::KernelVersion::current().and_then(|running| {
            let (major, minor) = (running.major.try_into(), running.minor.try_into());
            Some(KernelVersion::new(major.ok()?, minor.ok()?, running.patch))
        });
        known.ok_or_else(|| io::Error::other("the kernel's version cannot be understood"))
    }

    /// As the kernel has it: `LINUX_VERSION_CODE`.
    pub fn code(self) -> u32 {
        let number = |number: u8| u16::from(number);
        hachi::KernelVersion::new(number(self.major), number(self.minor), self.patch).code()
    }
}

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

/// The kernel's symbols by their addresses, from `/proc/kallsyms`. Addresses are 0 for those who
/// may not see them.
///
/// # Errors
/// When the file cannot be read.
pub fn kernel_symbols() -> Result<BTreeMap<u64, String>, io::Error> {
    Ok(symbols(&fs::read_to_string("/proc/kallsyms")?).collect())
}

/// What stands before the name of a system call in the name of its function: `__x64_sys_`,
/// `__arm64_sys_`, `sys_` and so on.
///
/// # Errors
/// When `/proc/kallsyms` cannot be read, or has none of them.
pub fn syscall_prefix() -> Result<&'static str, io::Error> {
    let text = fs::read_to_string("/proc/kallsyms")?;
    prefix_in(&text).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "the kernel has no system call `bpf` by any name",
        )
    })
}

/// Symbols with their addresses.
fn symbols(text: &str) -> impl Iterator<Item = (u64, String)> {
    text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        let name = words.nth(1)?;
        Some((address, name.to_owned()))
    })
}

fn prefix_in(text: &str) -> Option<&'static str> {
    const PREFIXES: [&str; 7] = [
        "sys_",
        "__x64_sys_",
        "__x32_compat_sys_",
        "__ia32_compat_sys_",
        "__arm64_sys_",
        "__s390x_sys_",
        "__s390_sys_",
    ];
    let mut names = text
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(2));
    names.find_map(|name| {
        let prefix = name.strip_suffix("bpf")?;
        PREFIXES.into_iter().find(|known| *known == prefix)
    })
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
    fn reads_symbols() {
        let text = "ffffffff81000000 T _text\n0000000000000010 t __x64_sys_bpf\n\
                    ffffffffc0000000 t helper\t[module]\nnonsense\n";
        let all: BTreeMap<_, _> = symbols(text).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[&0xffff_ffff_c000_0000], "helper");
        assert_eq!(prefix_in(text), Some("__x64_sys_"));
        assert_eq!(prefix_in("0 t my_sys_bpf\n"), None);
    }

    #[test]
    fn reads_lists_of_cpus() {
        assert_eq!(cpu_list("0"), Some(vec![0]));
        assert_eq!(cpu_list("0-2,5,7-8"), Some(vec![0, 1, 2, 5, 7, 8]));
        for wrong in ["", "a", "1-", "-1", "0,,2"] {
            assert_eq!(cpu_list(wrong), None, "{wrong:?}");
        }
    }
}
