use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hachi_asm::Endian;

use crate::context::Layout;

/// A socket, as programs find it and read it (`struct bpf_sock`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Socket {
    /// `IPPROTO_TCP` (6), `IPPROTO_UDP` (17) …
    pub protocol: u8,
    /// Where it is bound to.
    pub local: SocketAddr,
    /// What it is connected to, if it is.
    pub remote: Option<SocketAddr>,
    /// Whether it waits for connections.
    pub listening: bool,
    /// Its mark (`SO_MARK`).
    pub mark: u32,
    /// Its priority (`SO_PRIORITY`).
    pub priority: u32,
    /// The interface it is bound to (`SO_BINDTODEVICE`), or 0.
    pub interface: u32,
    /// The cookie of its network namespace.
    pub namespace: u64,
    /// Its own cookie.
    pub cookie: u64,
    /// The user it belongs to.
    pub uid: u32,
    /// The id of its cgroup (version 2).
    pub cgroup: u64,
}

impl Socket {
    /// `IPPROTO_TCP`
    pub const TCP: u8 = 6;
    /// `IPPROTO_UDP`
    pub const UDP: u8 = 17;

    fn new(protocol: u8, local: SocketAddr) -> Socket {
        Socket {
            protocol,
            local,
            remote: None,
            listening: false,
            mark: 0,
            priority: 0,
            interface: 0,
            namespace: 1,
            cookie: 1,
            uid: 1000,
            cgroup: 1,
        }
    }

    /// A TCP socket of this address that waits for connections.
    pub fn tcp_listener(local: SocketAddr) -> Socket {
        Socket {
            listening: true,
            ..Socket::new(Socket::TCP, local)
        }
    }

    /// An established TCP connection.
    pub fn tcp(local: SocketAddr, remote: SocketAddr) -> Socket {
        Socket {
            remote: Some(remote),
            ..Socket::new(Socket::TCP, local)
        }
    }

    /// A UDP socket of this address.
    pub fn udp(local: SocketAddr) -> Socket {
        Socket::new(Socket::UDP, local)
    }

    /// `AF_INET` or `AF_INET6`.
    pub fn family(&self) -> u32 {
        match self.local {
            SocketAddr::V4(_) => 2,
            SocketAddr::V6(_) => 10,
        }
    }

    /// Its state in the numbers of TCP: established, or listening, or closed.
    pub fn state(&self) -> u32 {
        match (self.listening, self.remote.is_some()) {
            (true, _) => 10,
            (false, true) => 1,
            (false, false) => 7,
        }
    }

    /// Whether it is the one for a packet of this protocol from `remote` to `local`: 2 for a
    /// connection, 1 for a listener or a socket that takes from anyone.
    pub(crate) fn suits(&self, protocol: u8, local: SocketAddr, remote: SocketAddr) -> u32 {
        let unspecified = self.local.ip().is_unspecified();
        let here = self.local.port() == local.port()
            && (self.local.ip() == local.ip()
                || unspecified && self.local.is_ipv4() == local.is_ipv4());
        match (protocol == self.protocol && here, self.remote) {
            (true, Some(of)) if of == remote => 2,
            (true, None) => 1,
            _ => 0,
        }
    }

    /// `struct bpf_sock`
    pub fn bytes(&self, endian: Endian) -> Vec<u8> {
        let layout = Layout::named("bpf_sock");
        let mut bytes = vec![0; layout.map_or(0, |layout| layout.size as usize)];
        let mut put = |name: &str, value: &[u8]| {
            if let Some(field) = layout.and_then(|layout| layout.field(name)) {
                let at = usize::from(field.offset);
                bytes[at..at + value.len()].copy_from_slice(value);
            }
        };
        let kind = if self.protocol == Socket::TCP { 1 } else { 2 };
        put("bound_dev_if", &endian.put_u32(self.interface));
        put("family", &endian.put_u32(self.family()));
        put("type", &endian.put_u32(kind));
        put("protocol", &endian.put_u32(self.protocol.into()));
        put("mark", &endian.put_u32(self.mark));
        put("priority", &endian.put_u32(self.priority));
        put("state", &endian.put_u32(self.state()));
        put("rx_queue_mapping", &endian.put_u32(u32::MAX));
        put("src_port", &endian.put_u32(self.local.port().into()));
        match self.local.ip() {
            IpAddr::V4(address) => put("src_ip4", &address.octets()),
            IpAddr::V6(address) => put("src_ip6", &address.octets()),
        }
        let remote = self.remote.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into());
        // Two bytes in network byte order.
        put("dst_port", &remote.port().to_be_bytes());
        match remote.ip() {
            IpAddr::V4(address) => put("dst_ip4", &address.octets()),
            IpAddr::V6(address) => put("dst_ip6", &address.octets()),
        }
        bytes
    }
}
