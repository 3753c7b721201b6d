//! TCP sockets, as the tracepoint of their states shows them.

use crate::vmlinux::{inet_sock, sock};
use aya_ebpf::helpers::{bpf_get_current_uid_gid, bpf_probe_read_kernel};
use tools_common::tcp::{Ends, Owner};

/// `IPPROTO_TCP`
pub const TCP: u16 = 6;
const AF_INET: u16 = 2;

/// The states of a connection that the tools look at (`include/net/tcp_states.h`).
pub mod state {
    pub const SYN_SENT: i32 = 2;
    pub const FIN_WAIT1: i32 = 4;
    pub const CLOSE: i32 = 7;
    pub const LAST_ACK: i32 = 9;
}

/// The process that runs.
#[inline(always)]
pub fn current() -> Owner {
    Owner {
        pid: crate::current_pid(),
        uid: bpf_get_current_uid_gid() as u32,
        comm: crate::current_comm(),
    }
}

/// The protocol of the socket.
///
/// # Safety
/// The socket must be one that the kernel gave to the program.
#[inline(always)]
pub unsafe fn protocol(sk: *const sock) -> u16 {
    // SAFETY: the caller's socket is the kernel's.
    unsafe { (*sk).sk_protocol }
}

/// Both ends of the socket's connection.
///
/// # Safety
/// The socket must be one that the kernel gave to the program.
#[inline(always)]
pub unsafe fn ends(sk: *const sock) -> Ends {
    let inet = sk.cast::<inet_sock>();
    // SAFETY: the socket is the kernel's, which checks the read.
    let here = unsafe { bpf_probe_read_kernel(&raw const (*inet).inet_sport) }.unwrap_or(0);
    // SAFETY: the caller's socket is the kernel's.
    let common = unsafe { &(*sk).__sk_common };
    let [here, there] = [here, common.skc_dport].map(u16::from_be);
    if common.skc_family == AF_INET {
        let (local, remote) = (v4(common.skc_rcv_saddr), v4(common.skc_daddr));
        return Ends::new(4, (local, here), (remote, there));
    }
    // SAFETY: all members of the union are bytes.
    let (local, remote) = unsafe {
        (
            common.skc_v6_rcv_saddr.in6_u.u6_addr8,
            common.skc_v6_daddr.in6_u.u6_addr8,
        )
    };
    Ends::new(6, (local, here), (remote, there))
}

/// An address as it stands in memory.
#[inline(always)]
fn v4(address: u32) -> [u8; 16] {
    let [a, b, c, d] = address.to_ne_bytes();
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}
