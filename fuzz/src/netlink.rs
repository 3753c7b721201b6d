//! What the kernel answers over rtnetlink: filters, and XDP programs of interfaces.

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    hachi::fuzzing::netlink(bytes);
}
