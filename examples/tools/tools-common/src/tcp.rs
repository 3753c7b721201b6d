//! `tcpconnect` and `tcplife`: the ring buffer `EVENTS` of the one has a [`Connect`] for each
//! connection that is asked for, that of the other a [`Life`] for each that has ended.

use crate::Comm;
use hachi_common::Pod;

/// Who talks to whom.
#[derive(Clone, Copy, Debug, Pod)]
#[repr(C)]
pub struct Ends {
    /// 4 or 6: the version of IP.
    pub version: u16,
    /// The port here.
    pub local_port: u16,
    /// The port there.
    pub remote_port: u16,
    unused: u16,
    /// The address here; of IPv4 the first 4 bytes.
    pub local: [u8; 16],
    /// The address there.
    pub remote: [u8; 16],
}

impl Ends {
    /// Both ends.
    pub const fn new(version: u16, local: ([u8; 16], u16), remote: ([u8; 16], u16)) -> Self {
        Ends {
            version,
            local_port: local.1,
            remote_port: remote.1,
            unused: 0,
            local: local.0,
            remote: remote.0,
        }
    }
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, Pod)]
#[repr(C)]
pub struct Owner {
    /// The process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// The thread's name.
    pub comm: Comm,
}

/// A connection is asked for.
#[derive(Clone, Copy, Debug, Pod)]
#[repr(C)]
pub struct Connect {
    /// By whom.
    pub owner: Owner,
    /// The ends; the port here may not be chosen yet.
    pub ends: Ends,
}

/// A connection has ended.
#[derive(Clone, Copy, Debug, Pod)]
#[repr(C)]
pub struct Life {
    /// The process that opened or closed it, as far as it is known.
    pub owner: Owner,
    /// The ends.
    pub ends: Ends,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent and acknowledged.
    pub sent: u64,
    /// How long it was there, in nanoseconds.
    pub duration: u64,
}
