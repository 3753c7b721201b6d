//! TCP sockets, as the tracepoint of their states shows them.

use hachi_ebpf::{helpers::bpf_get_current_uid_gid, kernel::Handle as _, kernel_types};
use tools_common::tcp::{Ends, Owner};

kernel_types! {
    pub struct sock {
        __sk_common: sock_common,
        sk_protocol: u16,
    }
    pub struct sock_common {
        skc_family: u16,
        skc_daddr: u32,
        skc_rcv_saddr: u32,
        skc_dport: u16,
        skc_v6_daddr: in6_addr,
        skc_v6_rcv_saddr: in6_addr,
    }
    pub struct in6_addr {
        in6_u: union { u6_addr8: [u8; 16] },
    }
    pub struct inet_sock { inet_sport: u16 }
    pub struct tcp_sock { bytes_received: u64, bytes_acked: u64 }

    pub fn inet_sock_set_state(sk: *const sock, oldstate: i32, newstate: i32);
}

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

/// Both ends of the socket's connection.
#[inline(always)]
pub fn ends(sk: sock) -> Ends {
    let common = sk.__sk_common();
    // Not `skc_num`: a connection that ends has given it back. The verifier knows of a `sock` only,
    // so what an `inet_sock` has more is probed.
    let inet: inet_sock<_> = sk.probed().cast();
    let [here, there] = [inet.inet_sport().unwrap_or(0), common.skc_dport()].map(u16::from_be);
    if common.skc_family() == AF_INET {
        let (local, remote) = (v4(common.skc_rcv_saddr()), v4(common.skc_daddr()));
        return Ends::new(4, (local, here), (remote, there));
    }
    let local = common.skc_v6_rcv_saddr().in6_u().u6_addr8().read();
    let remote = common.skc_v6_daddr().in6_u().u6_addr8().read();
    Ends::new(6, (local, here), (remote, there))
}

/// An address as it stands in memory.
#[inline(always)]
fn v4(address: u32) -> [u8; 16] {
    let [a, b, c, d] = address.to_ne_bytes();
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}
