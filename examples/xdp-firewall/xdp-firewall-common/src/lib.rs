//! What the firewall's two sides agree on: the keys and values of its maps.
//!
//! | map | type | key | value |
//! | --- | --- | --- | --- |
//! | `SOURCES_V4` | LPM trie | [`Key`] of an IPv4 address's octets | a rule: [`DROP`] or [`PASS`] |
//! | `SOURCES_V6` | LPM trie | [`Key`] of an IPv6 address's octets | a rule: [`DROP`] or [`PASS`] |
//! | `PORTS` | hash | [`Port`] | a rule: [`DROP`] or [`PASS`] |
//! | `COUNTERS` | per-CPU array | a [`Verdict`] as a number | [`Counter`] |
//! | `EVENTS` | ring buffer | | [`Event`] for each packet dropped |

#![no_std]

pub use hachi_common::lpm_trie::Key;
use hachi_common::{Pod, Shareable, Stored};

/// The most prefixes that `SOURCES_V4` and `SOURCES_V6` each hold.
pub const MAX_SOURCES: u32 = 4096;
/// The most ports that `PORTS` holds.
pub const MAX_PORTS: u32 = 1024;

/// Rule: let the packet through. A longer prefix with this rule is an exception from a shorter one
/// that is blocked.
pub const PASS: u32 = 0;
/// Rule: drop the packet.
pub const DROP: u32 = 1;

/// Protocol number of TCP.
pub const TCP: u8 = 6;
/// Protocol number of UDP.
pub const UDP: u8 = 17;

/// The key of `PORTS`: a destination port of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod)]
#[repr(C)]
pub struct Port {
    /// The number, in the machine's own byte order.
    pub number: u16,
    /// [`TCP`] or [`UDP`].
    pub protocol: u8,
    unused: u8,
}

impl Port {
    /// The port `number` of `protocol`.
    pub const fn new(protocol: u8, number: u16) -> Self {
        Port {
            number,
            protocol,
            unused: 0,
        }
    }
}

/// What became of a packet; its number is the index into `COUNTERS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Shareable)]
#[repr(u32)]
pub enum Verdict {
    /// Let through.
    Passed = 0,
    /// Dropped: its source is blocked.
    BlockedSource = 1,
    /// Dropped: its destination port is blocked.
    BlockedPort = 2,
    /// Dropped: its headers are cut short.
    Malformed = 3,
}

impl Verdict {
    /// All verdicts, in the order of their numbers.
    pub const ALL: [Verdict; 4] = [
        Verdict::Passed,
        Verdict::BlockedSource,
        Verdict::BlockedPort,
        Verdict::Malformed,
    ];

    /// A name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::BlockedSource => "blocked source",
            Verdict::BlockedPort => "blocked port",
            Verdict::Malformed => "malformed",
        }
    }
}

/// Packets and bytes with one verdict, on one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod)]
#[repr(C)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Their bytes, from the Ethernet header on.
    pub bytes: u64,
}

// ANCHOR: event
/// A packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod)]
#[repr(C)]
pub struct Event {
    /// The source address; of IPv4 the first 4 bytes, the others being 0.
    pub source: [u8; 16],
    /// Length of the packet in bytes.
    pub length: u32,
    /// The destination port in the machine's own byte order; 0 when there is none.
    pub port: u16,
    /// 4 or 6; 0 when the packet was cut short before that.
    pub ip_version: u8,
    /// The IP protocol number, such as [`TCP`].
    pub protocol: u8,
    /// What became of it. Reading it is checked.
    pub verdict: Stored<Verdict>,
}
// ANCHOR_END: event
