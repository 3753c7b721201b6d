//! What both sides of flows agree on.

#![no_std]

use hachi_common::{Pod, Shareable, Stored};

/// Who sends, and how: a key of maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod)]
#[repr(C)]
pub struct Sender {
    /// The IPv4 address, as in the packet.
    pub address: [u8; 4],
    /// The port, as a number of this machine; 0 where there are none.
    pub port: u16,
    /// How it sends.
    pub protocol: Stored<Protocol>,
    /// Always 0: the size of a `Sender` is a multiple of 2.
    pub padding: u8,
}

/// By its number in the IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Shareable)]
#[repr(u8)]
pub enum Protocol {
    Icmp = 1,
    Tcp = 6,
    Udp = 17,
}

/// What a sender has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod)]
#[repr(C)]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
}
