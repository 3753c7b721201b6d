//! What programs of each type get as their context.

use hachi_machine::Packet;
use hachi_obj::ProgramType;

use crate::space::{Access, Field};

/// How the context of a type of programs is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) fields: &'static [Field],
    /// Bytes of the context; 0 if its maker says how many.
    pub(crate) size: usize,
    /// Fields that point into the packet.
    packet: &'static [(u16, Into)],
    /// Whether the data begins behind the Ethernet header.
    pub(crate) skips_ethernet: bool,
    pub(crate) kind: ContextKind,
}

/// What a context is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContextKind {
    /// `struct xdp_md`
    Xdp,
    /// `struct __sk_buff`
    Skb,
    /// Bytes as they are given.
    Bytes,
    /// The input memory of a bare program, and its length.
    Bare,
}

/// Where in a packet a field points.
#[derive(Debug, Clone, Copy)]
enum Into {
    Data,
    End,
    Meta,
}

impl Shape {
    /// That of a type of programs; `None` if they cannot be run here.
    pub(crate) fn of(program_type: ProgramType) -> Option<Shape> {
        let bytes = |fields| Shape {
            fields,
            size: 0,
            packet: &[],
            skips_ethernet: false,
            kind: ContextKind::Bytes,
        };
        Some(match program_type {
            ProgramType::Xdp => Shape {
                fields: XDP_MD,
                size: 24,
                packet: &[(0, Into::Data), (4, Into::End), (8, Into::Meta)],
                skips_ethernet: false,
                kind: ContextKind::Xdp,
            },
            ProgramType::SchedCls | ProgramType::SchedAct => Shape {
                fields: SK_BUFF,
                size: 192,
                packet: &[(76, Into::Data), (80, Into::End), (140, Into::Meta)],
                skips_ethernet: false,
                kind: ContextKind::Skb,
            },
            ProgramType::CgroupSkb => Shape {
                fields: SK_BUFF,
                size: 192,
                packet: &[(76, Into::Data), (80, Into::End)],
                skips_ethernet: true,
                kind: ContextKind::Skb,
            },
            ProgramType::SocketFilter => Shape {
                fields: SK_BUFF,
                size: 192,
                packet: &[],
                skips_ethernet: true,
                kind: ContextKind::Skb,
            },
            ProgramType::RawTracepoint
            | ProgramType::Tracepoint
            | ProgramType::Kprobe
            | ProgramType::PerfEvent
            | ProgramType::Tracing
            | ProgramType::Lsm => bytes(READ),
            ProgramType::RawTracepointWritable | ProgramType::Syscall => bytes(READ_WRITE),
            _ => return None,
        })
    }

    /// That of bare instructions.
    pub(crate) const BARE: Shape = Shape {
        fields: &[],
        size: 0,
        packet: &[],
        skips_ethernet: false,
        kind: ContextKind::Bare,
    };

    /// Whether programs of this type get a packet.
    pub(crate) fn has_packet(&self) -> bool {
        matches!(self.kind, ContextKind::Xdp | ContextKind::Skb)
    }

    /// What the fields that point into the packet hold.
    pub(crate) fn pointers(&self, packet: &Packet) -> Vec<(u16, u64)> {
        let value = |into: &Into| match into {
            Into::Data => packet.data(),
            Into::End => packet.data_end(),
            Into::Meta => packet.data_meta(),
        };
        self.packet
            .iter()
            .map(|(offset, into)| (*offset, value(into)))
            .collect()
    }
}

/// A field, as a row of a table.
const fn field(name: &'static str, offset: u16, size: u16, access: Access) -> Field {
    Field {
        name,
        offset,
        size,
        access,
    }
}

use Access::{Pointer, Read, ReadWrite};

/// All there is, to read.
const READ: &[Field] = &[field("", 0, u16::MAX, Read)];
/// All there is, to read and write.
const READ_WRITE: &[Field] = &[field("", 0, u16::MAX, ReadWrite)];

/// `struct xdp_md` (`xdp_is_valid_access` in the kernel).
const XDP_MD: &[Field] = &[
    field("data", 0, 4, Pointer),
    field("data_end", 4, 4, Pointer),
    field("data_meta", 8, 4, Pointer),
    field("ingress_ifindex", 12, 4, Read),
    field("rx_queue_index", 16, 4, Read),
    field("egress_ifindex", 20, 4, Read),
];

/// `struct __sk_buff` (`tc_cls_act_is_valid_access` in the kernel).
const SK_BUFF: &[Field] = &[
    field("len", 0, 4, Read),
    field("pkt_type", 4, 4, Read),
    field("mark", 8, 4, ReadWrite),
    field("queue_mapping", 12, 4, ReadWrite),
    field("protocol", 16, 4, Read),
    field("vlan_present", 20, 4, Read),
    field("vlan_tci", 24, 4, Read),
    field("vlan_proto", 28, 4, Read),
    field("priority", 32, 4, ReadWrite),
    field("ingress_ifindex", 36, 4, Read),
    field("ifindex", 40, 4, Read),
    field("tc_index", 44, 4, ReadWrite),
    field("cb", 48, 20, ReadWrite),
    field("hash", 68, 4, Read),
    field("tc_classid", 72, 4, ReadWrite),
    field("data", 76, 4, Pointer),
    field("data_end", 80, 4, Pointer),
    field("napi_id", 84, 4, Read),
    field("family", 88, 4, Read),
    field("remote_ip4", 92, 4, Read),
    field("local_ip4", 96, 4, Read),
    field("remote_ip6", 100, 16, Read),
    field("local_ip6", 116, 16, Read),
    field("remote_port", 132, 4, Read),
    field("local_port", 136, 4, Read),
    field("data_meta", 140, 4, Pointer),
    field("tstamp", 152, 8, ReadWrite),
    field("wire_len", 160, 4, Read),
    field("gso_segs", 164, 4, Read),
    field("gso_size", 176, 4, Read),
    field("tstamp_type", 180, 1, Read),
    field("hwtstamp", 184, 8, Read),
];

/// The first bytes of `struct xdp_md` behind its pointers.
pub(crate) fn xdp_md(endian: hachi_asm::Endian, ifindex: u32, queue: u32) -> Vec<u8> {
    let mut bytes = vec![0; 24];
    bytes[12..16].copy_from_slice(&endian.put_u32(ifindex));
    bytes[16..20].copy_from_slice(&endian.put_u32(queue));
    bytes
}

/// `struct __sk_buff` of a packet as it would arrive on an interface, as `BPF_PROG_TEST_RUN` makes
/// it. `frame` begins with the Ethernet header.
pub(crate) fn sk_buff(
    endian: hachi_asm::Endian,
    frame: &[u8],
    len: u32,
    ifindex: u32,
    mark: u32,
) -> Vec<u8> {
    let mut bytes = vec![0; 192];
    let mut put = |offset: usize, value: u32| {
        bytes[offset..offset + 4].copy_from_slice(&endian.put_u32(value));
    };
    put(0, len);
    put(4, packet_type(frame));
    put(8, mark);
    if let Some([high, low]) = frame.get(12..14) {
        // The number as the machine reads it: it stays in network byte order.
        put(16, endian.u16([*high, *low]).into());
    }
    put(40, ifindex);
    put(160, len);
    bytes
}

/// `PACKET_HOST` and so on, for an interface without an address, such as `lo`.
fn packet_type(frame: &[u8]) -> u32 {
    const HOST: u32 = 0;
    const BROADCAST: u32 = 1;
    const MULTICAST: u32 = 2;
    const OTHERHOST: u32 = 3;
    match frame.get(..6) {
        Some([0, 0, 0, 0, 0, 0]) | None => HOST,
        Some([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) => BROADCAST,
        Some([first, ..]) if first & 1 != 0 => MULTICAST,
        Some(_) => OTHERHOST,
    }
}
