//! What the eBPF side writes and the user side reads.

#![no_std]

use hachi_common::Pod;

/// Why a packet passed or was dropped: an index of the map `COUNTERS`.
pub const PASSED: u32 = 0;
pub const BLOCKED_NETWORK: u32 = 1;
pub const CLOSED_PORT: u32 = 2;
/// What to call them.
pub const REASONS: [&str; 3] = ["passed", "blocked network", "closed port"];

/// Packets, and the bytes in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod)]
#[repr(C)]
pub struct Counter {
    /// Number of packets.
    pub packets: u64,
    /// Their length together.
    pub bytes: u64,
}
