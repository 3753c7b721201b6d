//! What this machine is and may do, read from /proc and /sys.

use hachi::Capability;
use std::fmt;
use std::fs;
use std::path::Path;

/// A kernel version, as far as features go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    pub major: u32,
    pub minor: u32,
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The release text of the running kernel.
pub fn kernel_release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map(|text| text.trim().to_string())
        .unwrap_or_default()
}

/// `6.18.44-fc` as a version.
pub fn parse_release(text: &str) -> Option<Kernel> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    Some(Kernel {
        major: parts.next()?.parse().ok()?,
        minor: parts.next()?.parse().ok()?,
    })
}

/// A field of `/proc/self/status`.
fn status(name: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(|value| value.trim().to_string())
}

/// Whether the process runs as root (by its effective user).
pub fn is_root() -> bool {
    status("Uid").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
}

/// The capabilities that loading and attaching ask for, each with whether the process has it.
pub fn capabilities() -> [(&'static str, bool); 4] {
    [
        Capability::NetAdmin,
        Capability::SysAdmin,
        Capability::Perfmon,
        Capability::Bpf,
    ]
    .map(|capability| {
        let has = capability.is_effective().unwrap_or(false);
        (capability.name(), has)
    })
}

/// Whether perf events can come from `source`, such as `kprobe`; `None` when sysfs does not say.
pub fn has_event_source(source: &str) -> Option<bool> {
    let sources = Path::new("/sys/bus/event_source/devices");
    sources.is_dir().then(|| sources.join(source).exists())
}

/// The number in a file of /proc/sys.
pub fn sysctl(path: &str) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Where a program is found on the PATH.
pub fn find_tool(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        let version = |major, minor| Some(Kernel { major, minor });
        assert_eq!(parse_release("6.18.44-fc-v657"), version(6, 18));
        assert_eq!(parse_release("5.10.0-46-cloud-amd64"), version(5, 10));
        assert_eq!(parse_release("7.2-rc3"), version(7, 2));
        assert_eq!(parse_release("linux"), None);
    }

    #[test]
    fn this_process_is_described() {
        assert!(parse_release(&kernel_release()).is_some());
        assert_eq!(is_root(), status("Uid").unwrap().starts_with("0\t0"));
        // Every kernel counts in software.
        assert!(has_event_source("software") != Some(false));
        assert!(has_event_source("no-such-source") != Some(true));
        assert!(find_tool("sh").is_some());
        assert!(find_tool("no-such-tool-anywhere").is_none());
    }
}
