//! What this thread may do, as the kernel counts it.

use std::io;

pub use super::generated::capabilities::Capability;
use super::generated::system::_LINUX_CAPABILITY_VERSION_3;

impl Capability {
    /// Whether this thread has it in effect; `None` when the kernel does not say, which only
    /// a filter of system calls brings about.
    ///
    /// Linux before 5.8 asks for `CAP_SYS_ADMIN` where newer ones ask for `CAP_BPF` or
    /// `CAP_PERFMON`, which are never in effect there.
    pub fn is_effective(self) -> Option<bool> {
        effective().ok().map(|set| set & (1 << self as u32) != 0)
    }
}

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

/// `struct __user_cap_data_struct`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The effective capabilities of this thread, as a set of bits. By a system call: /proc cannot be
/// read when there are no more descriptors, and it may not be mounted.
pub(super) fn effective() -> io::Result<u64> {
    let mut header = Header {
        version: _LINUX_CAPABILITY_VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: the header is live, and for this version the kernel writes two of the structs.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    match result {
        0 => Ok(u64::from(data[1].effective) << 32 | u64::from(data[0].effective)),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_the_kernels() {
        assert_eq!(Capability::from_number(39), Some(Capability::Bpf));
        assert_eq!(Capability::NetAdmin.name(), "CAP_NET_ADMIN");
        assert!(Capability::SysAdmin.is_effective().is_some());
    }

    #[test]
    fn the_set_is_the_one_that_proc_shows() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let shown = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let shown = u64::from_str_radix(shown.unwrap().trim(), 16).unwrap();
        assert_eq!(effective().unwrap(), shown);
    }
}
