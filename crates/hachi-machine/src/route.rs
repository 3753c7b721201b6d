use std::net::IpAddr;

/// A route, with the neighbour it leads to; for `bpf_fib_lookup`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// Where packets for it go: an address and the bits of it that count.
    pub destination: (IpAddr, u8),
    /// The interface that they leave by.
    pub ifindex: u32,
    /// The next hop; none if the destination itself is.
    pub gateway: Option<IpAddr>,
    /// The hardware address of the next hop; none if it is not known yet.
    pub neighbour: Option<[u8; 6]>,
    /// The hardware address of the interface.
    pub source: [u8; 6],
    /// The largest packet that fits.
    pub mtu: u16,
    /// What becomes of packets that take it.
    pub kind: RouteKind,
}

/// What becomes of packets that take a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteKind {
    /// They are forwarded.
    #[default]
    Forward,
    /// They are for this machine.
    Local,
    /// They are dropped silently.
    Blackhole,
    /// The sender gets the answer that there is no route.
    Unreachable,
    /// The sender gets the answer that it is not allowed.
    Prohibit,
}

impl Route {
    /// A route to all addresses of this prefix, by this interface, to this neighbour.
    pub fn new(destination: (IpAddr, u8), ifindex: u32, neighbour: [u8; 6]) -> Route {
        Route {
            destination,
            ifindex,
            gateway: None,
            neighbour: Some(neighbour),
            source: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            kind: RouteKind::Forward,
        }
    }

    /// Whether it leads to an address.
    pub(crate) fn leads_to(&self, address: IpAddr) -> bool {
        let bits = |bytes: &[u8]| {
            let wide = bytes
                .iter()
                .fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
            wide << (128 - 8 * bytes.len())
        };
        let (own, other) = match (self.destination.0, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (bits(&own.octets()), bits(&other.octets())),
            (IpAddr::V6(own), IpAddr::V6(other)) => (bits(&own.octets()), bits(&other.octets())),
            _ => return false,
        };
        let shift = 128 - u32::from(self.destination.1.min(128));
        (own ^ other).checked_shr(shift).unwrap_or(0) == 0
    }
}
