//! What the eBPF side writes and the user side reads.

#![no_std]

use hachi_common::Pod;

/// Index of a counter in the map `COUNTERS`: packets let through.
pub const PASSED: u32 = 0;
/// Index of a counter in the map `COUNTERS`: packets dropped.
pub const DROPPED: u32 = 1;

/// Packets, and the bytes in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod)]
#[repr(C)]
pub struct Counter {
    /// Number of packets.
    pub packets: u64,
    /// Their length together.
    pub bytes: u64,
}
