//! What this thread may do, as the kernel counts it.

use std::fs;

pub use super::generated::capabilities::Capability;

impl Capability {
    /// Whether this thread has it in effect; `None` when /proc does not say.
    ///
    /// Linux before 5.8 asks for `CAP_SYS_ADMIN` where newer ones ask for `CAP_BPF` or
    /// `CAP_PERFMON`, which are never in effect there.
    pub fn is_effective(self) -> Option<bool> {
        effective().map(|set| set & (1 << self as u32) != 0)
    }
}

/// The effective capabilities of this thread, as a set of bits.
fn effective() -> Option<u64> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    let mut lines = status.lines();
    let set = lines.find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
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
}
