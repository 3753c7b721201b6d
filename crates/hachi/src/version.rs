//! Kernel versions.

use std::{ffi::CStr, fmt, fs, mem::MaybeUninit};

/// A kernel release as two or three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// 6 in 6.12.7.
    pub major: u16,
    /// 12 in 6.12.7.
    pub minor: u16,
    /// 7 in 6.12.7.
    pub patch: u16,
}

impl KernelVersion {
    /// A version from its numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        KernelVersion {
            major,
            minor,
            patch,
        }
    }

    /// The running kernel, from uname(2); `None` if it calls itself something unreadable.
    pub fn current() -> Option<Self> {
        let names = uname()?;
        Self::parse(text(&names.release))
    }

    /// As [`current`](Self::current), also where a distribution's release says less than the kernel
    /// knows of itself: `LINUX_VERSION_CODE`. (As libbpf; Debian's release ends in `.0`, and
    /// Ubuntu's too.)
    pub(crate) fn exact() -> Option<Self> {
        let signature = fs::read_to_string("/proc/version_signature").unwrap_or_default();
        // `Ubuntu 6.8.0-52.53-generic 6.8.12`
        if let Some(version) = signature
            .split_ascii_whitespace()
            .nth(2)
            .and_then(Self::parse)
        {
            return Some(version);
        }
        // `#1 SMP Debian 5.10.234-1 (2025-02-24)`
        let names = uname()?;
        match text(&names.version).split_once("Debian ") {
            Some((_, version)) => Self::parse(version),
            None => Self::parse(text(&names.release)),
        }
    }

    fn parse(release: &str) -> Option<Self> {
        let end = release
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(release.len());
        let mut numbers = release[..end].split('.').map(str::parse::<u16>);
        Some(KernelVersion {
            major: numbers.next()?.ok()?,
            minor: numbers.next()?.ok()?,
            patch: numbers.next().and_then(Result::ok).unwrap_or(0),
        })
    }

    /// `KERNEL_VERSION(major, minor, patch)`, as old kernels want it with kprobe programs. The
    /// patch level has eight bits there and stops at 255.
    pub fn code(self) -> u32 {
        u32::from(self.major) << 16 | u32::from(self.minor) << 8 | u32::from(self.patch.min(255))
    }
}

/// The running kernel's release, from uname(2): `6.12.7-amd64`.
pub(crate) fn release() -> Option<String> {
    uname().map(|names| text(&names.release).to_owned())
}

fn uname() -> Option<libc::utsname> {
    let mut names = MaybeUninit::<libc::utsname>::uninit();
    // SAFETY: the buffer is one utsname long.
    if unsafe { libc::uname(names.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call succeeded, so it filled the buffer.
    Some(unsafe { names.assume_init() })
}

fn text(field: &[libc::c_char]) -> &str {
    // SAFETY: `c_char` is one byte, of either sign.
    let bytes: &[u8] = unsafe { &*(std::ptr::from_ref(field) as *const [u8]) };
    let text = CStr::from_bytes_until_nul(bytes).unwrap_or_default();
    text.to_str().unwrap_or_default()
}

/// `5.15`, and the patch level where it is not 0.
impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch != 0 {
            write!(f, ".{}", self.patch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_releases() {
        assert_eq!(
            KernelVersion::parse("6.18.44-fc-v657"),
            Some(KernelVersion::new(6, 18, 44))
        );
        assert_eq!(
            KernelVersion::parse("5.10.0-46-cloud-amd64"),
            Some(KernelVersion::new(5, 10, 0))
        );
        assert_eq!(
            KernelVersion::parse("7.2-rc1"),
            Some(KernelVersion::new(7, 2, 0))
        );
        assert_eq!(KernelVersion::parse("weird"), None);
        assert!(KernelVersion::current().unwrap() > KernelVersion::new(4, 0, 0));
        assert_eq!(KernelVersion::new(4, 19, 300).code(), 0x0413ff);
        assert_eq!(KernelVersion::new(5, 15, 0).to_string(), "5.15");
    }
}
