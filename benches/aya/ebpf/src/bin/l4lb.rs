//! Balances the packets to a service: wraps each for the machine that its connection belongs to (IP
//! in IP) and sends it out again.

#![no_std]
#![no_main]

use aya_ebpf::{
    Global,
    bindings::xdp_action,
    helpers::bpf_xdp_adjust_head,
    macros::{map, xdp},
    maps::{Array, PerCpuArray},
    programs::XdpContext,
};
use aya_ports as _;
use tools_common::l4lb::{Backend, MAX_BACKENDS, Service, TABLE_SIZE, UDP};

#[unsafe(no_mangle)]
static SERVICE: Global<Service> = Global::new(Service::new(UDP, [0; 4], 0));

#[map]
static BACKENDS: Array<Backend> = Array::with_max_entries(MAX_BACKENDS, 0);

/// The backend for each remainder of a flow's hash, as user space has laid them out.
#[map]
static TABLE: Array<u32> = Array::with_max_entries(TABLE_SIZE, 0);

/// Packets by backend.
#[map]
static PACKETS: PerCpuArray<u64> = PerCpuArray::with_max_entries(MAX_BACKENDS, 0);

#[derive(Clone, Copy)]
#[repr(C)]
struct Ethernet {
    destination: [u8; 6],
    source: [u8; 6],
    kind: [u8; 2],
}

#[derive(Clone, Copy)]
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
pub fn l4lb(ctx: XdpContext) -> u32 {
    balance(&ctx).unwrap_or(xdp_action::XDP_PASS)
}

/// Where a `T` lies in the packet, if the packet is long enough.
#[inline(always)]
fn ptr_at<T>(ctx: &XdpContext, offset: usize) -> Option<*mut T> {
    let start = ctx.data() + offset;
    (start + size_of::<T>() <= ctx.data_end()).then_some(start as *mut T)
}

/// `None`: the packet is not for the service.
fn balance(ctx: &XdpContext) -> Option<u32> {
    // SAFETY: it is inside the packet.
    let ethernet = unsafe { *ptr_at::<Ethernet>(ctx, 0)? };
    // SAFETY: it is inside the packet.
    let ip = unsafe { *ptr_at::<Ipv4>(ctx, IP_AT)? };
    // SAFETY: it is inside the packet.
    let [from, to] = unsafe { *ptr_at::<[[u8; 2]; 2]>(ctx, PORTS_AT)? };
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
    let &index = TABLE.get(flow_hash(ip.source, from) % TABLE_SIZE)?;
    let backend = *BACKENDS.get(index)?;
    // SAFETY: the context is the kernel's; what pointed into the packet is not used any more.
    if unsafe { bpf_xdp_adjust_head(ctx.ctx, -(size_of::<Ipv4>() as i32)) } != 0 {
        return None;
    }
    let outer = ptr_at::<Ethernet>(ctx, 0)?;
    // SAFETY: it is inside the packet.
    unsafe {
        *outer = Ethernet {
            destination: backend.mac,
            source: ethernet.destination,
            kind: IPV4,
        }
    };
    let outer = ptr_at::<Ipv4>(ctx, IP_AT)?;
    // SAFETY: it is inside the packet.
    unsafe { *outer = wrapper(&ip, backend.address) };
    if let Some(count) = PACKETS.get_ptr_mut(index) {
        // SAFETY: the element is this CPU's.
        unsafe { *count += 1 };
    }
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

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
