//! Balances the packets to a service: wraps each for the machine that its connection belongs to (IP
//! in IP) and sends it out again.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    Global, Pod,
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{Array, PerCpuArray},
    programs::XdpContext,
};
use tools_common::l4lb::{Backend, MAX_BACKENDS, Service, TABLE_SIZE, UDP};

static SERVICE: Global<Service> = Global::new(Service::new(UDP, [0; 4], 0));

#[map]
static BACKENDS: Array<Backend> = Array::with_max_entries(MAX_BACKENDS, 0);

/// The backend for each remainder of a flow's hash, as user space has laid them out.
#[map]
static TABLE: Array<u32> = Array::with_max_entries(TABLE_SIZE, 0);

/// Packets by backend.
#[map]
static PACKETS: PerCpuArray<u64> = PerCpuArray::with_max_entries(MAX_BACKENDS, 0);

#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Ethernet {
    destination: [u8; 6],
    source: [u8; 6],
    kind: [u8; 2],
}

#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Ipv4 {
    version_and_length: u8,
    service: u8,
    total_length: [u8; 2],
    id: [u8; 2],
    fragment: [u8; 2],
    ttl: u8,
    protocol: u8,
    checksum: [u8; 2],
    source: [u8; 4],
    destination: [u8; 4],
}

const IPV4: [u8; 2] = [0x08, 0x00];
/// Version 4, five words of four bytes.
const PLAIN_HEADER: u8 = 0x45;
const IP_IN_IP: u8 = 4;
const IP_AT: usize = size_of::<Ethernet>();
const PORTS_AT: usize = IP_AT + size_of::<Ipv4>();

#[xdp]
fn l4lb(mut ctx: XdpContext) -> u32 {
    balance(&mut ctx).unwrap_or(xdp_action::XDP_PASS)
}

/// `None`: the packet is not for the service.
fn balance(ctx: &mut XdpContext) -> Option<u32> {
    let ethernet: Ethernet = ctx.read(0)?;
    let ip: Ipv4 = ctx.read(IP_AT)?;
    let [from, to]: [[u8; 2]; 2] = ctx.read(PORTS_AT)?;
    let service = SERVICE.load();
    if ethernet.kind != IPV4
        || ip.version_and_length != PLAIN_HEADER
        || u16::from_be_bytes(ip.fragment) & 0x3fff != 0
        || ip.protocol != service.protocol
        || ip.destination != service.address
        || to != service.port
    {
        return None;
    }
    let index = TABLE.get(flow_hash(ip.source, from) % TABLE_SIZE)?;
    let backend = BACKENDS.get(index)?;
    ctx.adjust_head(-(size_of::<Ipv4>() as i32)).ok()?;
    ctx.write(
        0,
        Ethernet {
            destination: backend.mac,
            source: ethernet.destination,
            kind: IPV4,
        },
    )?;
    ctx.write(IP_AT, wrapper(&ip, backend.address))?;
    PACKETS.update(index, |count| count + 1);
    Some(xdp_action::XDP_TX)
}

/// All packets of a connection have the same; destination and protocol are always the service's.
fn flow_hash(address: [u8; 4], port: [u8; 2]) -> u32 {
    let flow = u64::from(u32::from_be_bytes(address)) << 16 | u64::from(u16::from_be_bytes(port));
    (flow.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// The header in front of `inner`'s.
fn wrapper(inner: &Ipv4, to: [u8; 4]) -> Ipv4 {
    let length = u16::from_be_bytes(inner.total_length) + size_of::<Ipv4>() as u16;
    let mut outer = Ipv4 {
        version_and_length: PLAIN_HEADER,
        service: inner.service,
        total_length: length.to_be_bytes(),
        id: inner.id,
        fragment: [0; 2],
        ttl: 64,
        protocol: IP_IN_IP,
        checksum: [0; 2],
        source: inner.destination,
        destination: to,
    };
    outer.checksum = checksum(&outer);
    outer
}

fn checksum(ip: &Ipv4) -> [u8; 2] {
    let word = |high: u8, low: u8| u32::from(u16::from_be_bytes([high, low]));
    let pair = |[high, low]: [u8; 2]| word(high, low);
    let address = |[a, b, c, d]: [u8; 4]| word(a, b) + word(c, d);
    let sum = word(ip.version_and_length, ip.service)
        + pair(ip.total_length)
        + pair(ip.id)
        + pair(ip.fragment)
        + word(ip.ttl, ip.protocol)
        + address(ip.source)
        + address(ip.destination);
    let sum = (sum >> 16) + (sum & 0xffff);
    (!((sum >> 16) + sum) as u16).to_be_bytes()
}

hachi_ebpf::license!("GPL");
