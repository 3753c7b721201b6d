//! Kernel versions.

use std::{ffi::CStr, fmt, mem::MaybeUninit};

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
        let mut names = MaybeUninit::<libc::utsname>::uninit();
        // SAFETY: the buffer is one utsname long.
        if unsafe { libc::uname(names.as_mut_ptr()) } != 0 {
            return None;
        }
        // SAFETY: the call succeeded, so it filled the buffer.
        let names = unsafe { names.assume_init() };
        // SAFETY: the kernel NUL-terminates each field.
        let release = unsafe { CStr::from_ptr(names.release.as_ptr()) };
        Self::parse(release.to_str().ok()?)
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
