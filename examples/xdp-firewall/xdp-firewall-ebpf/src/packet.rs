//! What the firewall wants to know of a packet.

use hachi_ebpf::{Pod, programs::XdpContext};
use network_types::{
    eth::{EthHdr, EtherType},
    ip::{IpProto, Ipv4Hdr, Ipv6Hdr},
    vlan::VlanHdr,
};
use xdp_firewall_common::{TCP, UDP};

/// A packet ends before its headers do.
pub struct CutShort;

/// Where a packet comes from and goes to.
pub struct Packet {
    pub source: Source,
    /// The IP protocol number.
    pub protocol: u8,
    /// The destination port, of TCP and UDP; else 0.
    pub port: u16,
}

/// The source address.
pub enum Source {
    V4([u8; 4]),
    V6([u8; 16]),
    Unknown,
}

impl Packet {
    pub const UNKNOWN: Packet = Packet {
        source: Source::Unknown,
        protocol: 0,
        port: 0,
    };
}

/// How many VLAN tags are looked behind: one, and another around it.
const MAX_VLAN_TAGS: usize = 2;
/// How many IPv6 extension headers are looked behind.
const MAX_EXTENSIONS: usize = 4;

/// The `T` at `offset`.
fn header<T: Pod>(ctx: &XdpContext, offset: usize) -> Result<T, CutShort> {
    ctx.read(offset).ok_or(CutShort)
}

// ANCHOR: parse
/// Reads the headers up to the ports. `None`: it is no IP packet.
pub fn parse(ctx: &XdpContext) -> Result<Option<Packet>, CutShort> {
    let mut ether_type = header::<EthHdr>(ctx, 0)?.ether_type;
    let mut offset = EthHdr::LEN;
    for _ in 0..MAX_VLAN_TAGS {
        if ether_type != EtherType::Ieee8021q as u16 && ether_type != EtherType::Ieee8021ad as u16 {
            break;
        }
        ether_type = header::<VlanHdr>(ctx, offset)?.ether_type;
        offset += VlanHdr::LEN;
    }
    if ether_type == EtherType::Ipv4 as u16 {
        ipv4(ctx, offset).map(Some)
    } else if ether_type == EtherType::Ipv6 as u16 {
        ipv6(ctx, offset).map(Some)
    } else {
        Ok(None)
    }
}

fn ipv4(ctx: &XdpContext, offset: usize) -> Result<Packet, CutShort> {
    let ip: Ipv4Hdr = header(ctx, offset)?;
    // Only the first fragment of a packet has the ports.
    let port = match ip.frag_offset() {
        0 => port(ctx, ip.proto, offset + usize::from(ip.ihl()))?,
        _ => 0,
    };
    Ok(Packet {
        source: Source::V4(ip.src_addr),
        protocol: ip.proto,
        port,
    })
}
// ANCHOR_END: parse

fn ipv6(ctx: &XdpContext, offset: usize) -> Result<Packet, CutShort> {
    let ip: Ipv6Hdr = header(ctx, offset)?;
    let mut protocol = ip.next_hdr;
    let mut offset = offset + Ipv6Hdr::LEN;
    let mut first = true;
    for _ in 0..MAX_EXTENSIONS {
        // All of them start with the number of the next header and their own length.
        let fragment = protocol == IpProto::Ipv6Frag as u8;
        if !fragment
            && protocol != IpProto::HopOpt as u8
            && protocol != IpProto::Ipv6Route as u8
            && protocol != IpProto::Ipv6Opts as u8
        {
            break;
        }
        let [next, length, high, low]: [u8; 4] = header(ctx, offset)?;
        if fragment {
            first &= u16::from_be_bytes([high, low]) >> 3 == 0;
            offset += 8;
        } else {
            offset += (usize::from(length) + 1) * 8;
        }
        protocol = next;
    }
    let port = if first {
        port(ctx, protocol, offset)?
    } else {
        0
    };
    Ok(Packet {
        source: Source::V6(ip.src_addr),
        protocol,
        port,
    })
}

/// The destination port in the TCP or UDP header at `offset`: both have it in the same place.
fn port(ctx: &XdpContext, protocol: u8, offset: usize) -> Result<u16, CutShort> {
    if protocol != TCP && protocol != UDP {
        return Ok(0);
    }
    Ok(u16::from_be_bytes(header(ctx, offset + 2)?))
}
