//! `l4lb`: the setting `SERVICE`, the arrays `BACKENDS` and `TABLE` (of [`TABLE_SIZE`] indices into
//! `BACKENDS`), and the per-CPU array `PACKETS` by backend.

use hachi_common::Pod;

/// The number of places in the table; prime, and much larger than the number of backends.
pub const TABLE_SIZE: u32 = 4099;
/// The most backends.
pub const MAX_BACKENDS: u32 = 64;

/// Protocol number of TCP.
pub const TCP: u8 = 6;
/// Protocol number of UDP.
pub const UDP: u8 = 17;

/// What is balanced: all packets to one port of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod)]
#[repr(C)]
pub struct Service {
    /// The address.
    pub address: [u8; 4],
    /// The port, in network byte order.
    pub port: [u8; 2],
    /// [`TCP`] or [`UDP`].
    pub protocol: u8,
    unused: u8,
}

impl Service {
    /// The port of the address.
    pub const fn new(protocol: u8, address: [u8; 4], port: u16) -> Self {
        Service {
            address,
            port: port.to_be_bytes(),
            protocol,
            unused: 0,
        }
    }
}

/// Where packets go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod)]
#[repr(C)]
pub struct Backend {
    /// The address that packets are wrapped for.
    pub address: [u8; 4],
    /// The hardware address of the next hop to it.
    pub mac: [u8; 6],
    unused: [u8; 2],
}

impl Backend {
    /// The machine with these addresses.
    pub const fn new(address: [u8; 4], mac: [u8; 6]) -> Self {
        Backend {
            address,
            mac,
            unused: [0; 2],
        }
    }
}
