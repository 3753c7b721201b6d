//! What programs of each type get as their context.

use std::borrow::Cow;
use std::sync::Arc;

use hachi_asm::Endian;
#[cfg(feature = "jit")]
use hachi_machine::context::Access;
use hachi_machine::context::Layout;
use hachi_machine::{Kind, Memory, Packet, Protection, Running, Trap, World, helpers};
use hachi_obj::{AttachType, ProgramSpec, ProgramType};

use crate::input::Input;
use crate::packets::Ready;
use crate::space::{Rules, Space, Usable};

/// Names of fields that point into the packet.
const INTO_PACKET: [(&str, Place); 5] = [
    ("data", Place::Data),
    ("data_end", Place::End),
    ("data_meta", Place::Meta),
    ("skb_data", Place::Data),
    ("skb_data_end", Place::End),
];

/// A place of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Data,
    End,
    Meta,
}

/// The offsets of the fields that say what a socket buffer's packet is.
#[derive(Debug, Clone, Copy)]
struct OfPacket {
    len: u16,
    wire_len: u16,
    packet_type: u16,
    protocol: u16,
}

impl OfPacket {
    fn of(layout: &Layout) -> Option<OfPacket> {
        let at = |name| layout.field(name).map(|field| field.offset);
        Some(OfPacket {
            len: at("len")?,
            wire_len: at("wire_len")?,
            packet_type: at("pkt_type")?,
            protocol: at("protocol")?,
        })
    }
}

/// How the context of a program is made.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    program_type: ProgramType,
    sleepable: bool,
    rules: Rules,
    kind: ContextKind,
    /// The fields that point into the packet: their offsets, and where they point to.
    into_packet: Arc<[(u16, Place)]>,
    of_packet: Option<OfPacket>,
}

/// What a context is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContextKind {
    /// `struct xdp_md`
    Xdp,
    /// `struct __sk_buff`
    Skb,
    /// Another structure of fixed fields.
    Fields(&'static Layout),
    /// Numbers of 64 bits: the arguments of a function, or of a raw tracepoint.
    Arguments,
    /// Registers.
    Registers,
    /// Bytes as they are given.
    Bytes,
    /// The input memory of a bare program, and its length.
    Bare,
}

/// A context, and what else is set for a run.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) pointers: Vec<(u16, u64)>,
    pub(crate) running: Running,
    /// The option's value, where the context points to one: its address, and its bytes.
    pub(crate) buffer: Option<(u64, usize)>,
}

impl Shape {
    /// That of bare instructions.
    pub(crate) fn bare() -> Shape {
        Shape {
            program_type: ProgramType::Unspec,
            sleepable: false,
            rules: Rules::Bytes { writable: false },
            kind: ContextKind::Bare,
            into_packet: Arc::default(),
            of_packet: None,
        }
    }

    /// That of a program.
    pub(crate) fn of(spec: &ProgramSpec) -> Shape {
        let bytes = |writable| Rules::Bytes { writable };
        let layout = Layout::of(spec.program_type);
        let (rules, kind) = match (spec.program_type, layout) {
            (ProgramType::Xdp, Some(layout)) => (rules(spec, layout), ContextKind::Xdp),
            (_, Some(layout)) if layout.name == "__sk_buff" => {
                (rules(spec, layout), ContextKind::Skb)
            }
            (_, Some(layout)) => (rules(spec, layout), ContextKind::Fields(layout)),
            (ProgramType::RawTracepoint | ProgramType::Tracing | ProgramType::Lsm, None)
            | (ProgramType::StructOps, None) => (bytes(false), ContextKind::Arguments),
            (ProgramType::RawTracepointWritable, None) => (bytes(true), ContextKind::Arguments),
            (ProgramType::Kprobe | ProgramType::PerfEvent, None) => {
                (bytes(false), ContextKind::Registers)
            }
            (ProgramType::Tracepoint, None) => (bytes(false), ContextKind::Bytes),
            (ProgramType::Syscall, None) => (bytes(true), ContextKind::Bytes),
            _ => (bytes(false), ContextKind::Bytes),
        };
        Shape {
            program_type: spec.program_type,
            sleepable: spec.sleepable || spec.program_type == ProgramType::Syscall,
            rules,
            kind,
            into_packet: INTO_PACKET
                .iter()
                .filter_map(|(name, place)| Some((layout?.field(name)?.offset, *place)))
                .collect(),
            of_packet: match kind {
                ContextKind::Skb => layout.and_then(OfPacket::of),
                _ => None,
            },
        }
    }

    pub(crate) fn program_type(&self) -> ProgramType {
        self.program_type
    }

    pub(crate) fn rules(&self) -> Rules {
        self.rules.clone()
    }

    /// The structure, if the context is one.
    pub(crate) fn layout(&self) -> Option<&'static Layout> {
        Layout::of(self.program_type)
    }

    /// Whether the packet begins behind its Ethernet header.
    fn hides_ethernet(&self) -> bool {
        matches!(
            self.program_type,
            ProgramType::CgroupSkb
                | ProgramType::SocketFilter
                | ProgramType::LwtIn
                | ProgramType::LwtOut
                | ProgramType::LwtXmit
                | ProgramType::LwtSeg6local
                | ProgramType::Netfilter
        )
    }

    /// Whether programs of this type may write the packet without a helper
    /// (`may_access_direct_pkt_data` in the kernel).
    fn writes_packet(&self) -> bool {
        matches!(
            self.program_type,
            ProgramType::Xdp
                | ProgramType::SchedCls
                | ProgramType::SchedAct
                | ProgramType::LwtXmit
                | ProgramType::SkSkb
                | ProgramType::SkMsg
                | ProgramType::Netfilter
        )
    }

    /// Whether programs of this type get bytes to look into besides the context.
    fn has_packet(&self) -> bool {
        matches!(self.kind, ContextKind::Xdp | ContextKind::Skb)
            || matches!(
                self.program_type,
                ProgramType::SkMsg | ProgramType::SkReuseport | ProgramType::Netfilter
            )
    }

    /// Whether bare instructions get it.
    #[cfg(feature = "jit")]
    pub(crate) fn is_bare(&self) -> bool {
        self.kind == ContextKind::Bare
    }

    /// How many bytes it has; 0 if that is up to the run.
    #[cfg(feature = "jit")]
    pub(crate) fn size(&self) -> u64 {
        match self.kind {
            ContextKind::Xdp | ContextKind::Skb | ContextKind::Fields(_) => {
                self.layout().map_or(0, |layout| layout.size.into())
            }
            _ => 0,
        }
    }

    /// The offsets of the fields that point into the packet.
    #[cfg(feature = "jit")]
    pub(crate) fn pointer_fields(&self) -> Vec<u16> {
        match self.has_packet() && self.size() > 0 {
            true => self.into_packet.iter().map(|(at, _)| *at).collect(),
            false => Vec::new(),
        }
    }

    /// Whether these bytes may be read at once, and are a pointer; none if they may not, or if it
    /// takes more than the table to tell.
    #[cfg(feature = "jit")]
    pub(crate) fn read_as_pointer(&self, at: u64, size: u64) -> Option<bool> {
        let Rules::Fields(fields) = &self.rules else {
            return None;
        };
        let may = |of: &&Usable| of.read && of.field.allows(at, size, Access::Read);
        fields.iter().find(may)?;
        let points = |of: &Usable| of.field.pointer && u64::from(of.field.offset) == at;
        Some(fields.iter().any(points))
    }

    /// Whether a context of the other is used as one of this.
    #[cfg(feature = "jit")]
    pub(crate) fn is_like(&self, other: &Shape) -> bool {
        let same = match (&self.rules, &other.rules) {
            (Rules::Bytes { writable }, Rules::Bytes { writable: other }) => writable == other,
            (Rules::Fields(fields), Rules::Fields(others)) => {
                let parts = |of: &Usable| (of.field.name, of.read, of.write);
                fields.iter().map(parts).eq(others.iter().map(parts))
            }
            _ => false,
        };
        same && self.program_type == other.program_type && self.kind == other.kind
    }

    /// What the fields that point into the packet hold.
    pub(crate) fn pointers(&self, packet: &Packet) -> Vec<(u16, u64)> {
        let mut pointers = self.into_packet.iter().map(|(at, _)| (*at, 0)).collect();
        self.set_pointers(packet, &mut pointers);
        pointers
    }

    /// Sets those that are there to what they are for this packet.
    fn set_pointers(&self, packet: &Packet, pointers: &mut Vec<(u16, u64)>) {
        for ((_, place), held) in self.into_packet.iter().zip(pointers) {
            held.1 = match place {
                Place::Data => packet.data(),
                Place::End => packet.data_end(),
                Place::Meta => packet.data_meta(),
            };
        }
    }

    /// Makes the context of a run.
    pub(crate) fn make(
        &self,
        input: &Input<'_>,
        world: &mut World,
        space: &mut Space,
    ) -> Result<Made, Trap> {
        let endian = space.endian();
        let mut made = Made {
            bytes: Vec::new(),
            pointers: Vec::new(),
            running: Running {
                program_type: self.program_type as u32,
                sleepable: self.sleepable,
                arguments: input.arguments.clone(),
                result: input.result,
                cookie: input.cookie,
                function: input.function,
                ..Running::default()
            },
            buffer: None,
        };
        if let Some(socket) = &input.socket {
            let known = world.sockets.iter().position(|of| of == socket);
            let at = known.unwrap_or_else(|| {
                world.sockets.push(socket.clone());
                world.sockets.len() - 1
            });
            made.running.socket = Some(at);
        }
        world.packet = None;
        if self.has_packet() {
            self.add_packet(input, world, space, &mut made)?;
        }
        match self.kind {
            ContextKind::Xdp | ContextKind::Skb | ContextKind::Fields(_) => {
                self.add_fields(input, world, space, &mut made)?;
            }
            ContextKind::Arguments => {
                let values = input.arguments.iter().chain(&input.result);
                made.bytes = values.flat_map(|value| endian.put_u64(*value)).collect();
                if made.bytes.is_empty() {
                    made.bytes = input.bytes.to_vec();
                }
            }
            ContextKind::Registers => {
                made.bytes = match &input.registers {
                    Some(registers) => registers.bytes(endian),
                    None => input.bytes.to_vec(),
                };
                if self.program_type == ProgramType::PerfEvent && input.registers.is_some() {
                    for name in ["sample_period", "addr"] {
                        let value = input.fields.iter().find(|(of, _)| of == name);
                        let value = match value {
                            Some((_, bytes)) => bytes.number(endian, 8),
                            None => vec![0; 8],
                        };
                        made.bytes.extend(value);
                    }
                }
            }
            ContextKind::Bytes | ContextKind::Bare => made.bytes = input.bytes.to_vec(),
        }
        let settable = matches!(
            self.kind,
            ContextKind::Xdp | ContextKind::Skb | ContextKind::Fields(_)
        );
        if !settable
            && self.program_type != ProgramType::PerfEvent
            && let Some((name, _)) = input.fields.first()
        {
            return Err(Trap::NoInputField {
                name: name.to_string(),
                context: None,
            });
        }
        Ok(made)
    }

    /// Sets the fields of a context that say what the packet is.
    fn describe(&self, frame: &[u8], len: u32, endian: Endian, context: &mut [u8]) {
        let Some(fields) = &self.of_packet else {
            return;
        };
        let mut put = |at: u16, value: u32| {
            context[usize::from(at)..][..4].copy_from_slice(&endian.put_u32(value));
        };
        put(fields.len, len);
        put(fields.wire_len, len);
        put(fields.packet_type, packet_type(frame));
        if let Some([high, low]) = frame.get(12..14) {
            // The number as the machine reads it: it stays in network byte order.
            put(fields.protocol, endian.u16([*high, *low]).into());
        }
    }

    /// Whether only the packet, and what the context says of it, differ between two runs.
    pub(crate) fn takes_packets(&self) -> bool {
        matches!(self.kind, ContextKind::Xdp | ContextKind::Skb)
    }

    /// Makes a context that was made for one packet that of another.
    pub(crate) fn refill(
        &self,
        frame: &[u8],
        world: &mut World,
        space: &mut Space,
        ready: &mut Ready,
    ) -> bool {
        let Some(packet) = &mut world.packet else {
            return false;
        };
        let hidden = world.running.hidden.len();
        if frame.len() < hidden || !packet.refill(space, &frame[hidden..]) {
            return false;
        }
        world.running.hidden.copy_from_slice(&frame[..hidden]);
        self.describe(frame, packet.total_len(), space.endian(), &mut ready.bytes);
        self.set_pointers(packet, &mut ready.pointers);
        space.refill_context(&ready.bytes);
        space.set_context_pointers(&ready.pointers);
        true
    }

    fn add_packet(
        &self,
        input: &Input<'_>,
        world: &mut World,
        space: &mut Space,
        made: &mut Made,
    ) -> Result<(), Trap> {
        let skip = if self.hides_ethernet() { 14 } else { 0 };
        let skip = skip.min(input.bytes.len());
        let (hidden, data) = input.bytes.split_at(skip);
        made.running.hidden = hidden.to_vec();
        let packet = match self.writes_packet() {
            true => Packet::with_fragments(space, data, &input.fragments),
            false => Packet::read_only(space, data, &input.fragments),
        };
        let mut packet = packet.map_err(|_| Trap::Memory)?;
        if !input.metadata.is_empty() {
            let len = input.metadata.len();
            if len > 252 || !packet.adjust_meta(space, -(len as i32)) {
                return Err(Trap::Metadata { len });
            }
            space.write_owned(packet.data_meta(), &input.metadata)?;
        }
        world.packet = Some(packet);
        Ok(())
    }

    fn add_fields(
        &self,
        input: &Input<'_>,
        world: &mut World,
        space: &mut Space,
        made: &mut Made,
    ) -> Result<(), Trap> {
        let Some(layout) = self.layout() else {
            return Ok(());
        };
        let endian = space.endian();
        let mut bytes = vec![0; layout.size as usize];
        let mut put = |name: &str, value: &[u8]| {
            if let Some(field) = layout.field(name) {
                let at = usize::from(field.offset);
                bytes[at..at + value.len()].copy_from_slice(value);
            }
        };
        let packet = world.packet;
        if let Some(packet) = &packet {
            made.pointers = self.pointers(packet);
        }
        match self.kind {
            ContextKind::Xdp => {
                put("ingress_ifindex", &endian.put_u32(input.ifindex));
                put("rx_queue_index", &endian.put_u32(input.queue));
            }
            ContextKind::Skb => {
                put("mark", &endian.put_u32(input.mark));
                put("ifindex", &endian.put_u32(input.ifindex));
                let len = packet.map_or(0, |packet| packet.total_len());
                self.describe(input.bytes, len, endian, &mut bytes);
            }
            _ => {
                let len = packet.map_or(0, |packet| packet.total_len());
                put("size", &endian.put_u32(len));
                put("len", &endian.put_u32(len));
                if self.program_type == ProgramType::SockOps {
                    put("is_fullsock", &endian.put_u32(1));
                }
            }
        }
        let socket = made.running.socket;
        if let Some(socket) = socket.and_then(|at| world.sockets.get(at)) {
            let whole = socket.bytes(endian);
            let of_socket = Layout::named("bpf_sock");
            // Names that the structures share, and those of the addresses.
            let names = [
                ("family", "family"),
                ("type", "type"),
                ("protocol", "protocol"),
                ("bound_dev_if", "bound_dev_if"),
                ("state", "state"),
                ("src_ip4", "src_ip4"),
                ("src_ip6", "src_ip6"),
                ("src_port", "src_port"),
                ("dst_ip4", "dst_ip4"),
                ("dst_ip6", "dst_ip6"),
                ("dst_port", "dst_port"),
                ("src_ip4", "local_ip4"),
                ("src_ip6", "local_ip6"),
                ("src_port", "local_port"),
                ("dst_ip4", "remote_ip4"),
                ("dst_ip6", "remote_ip6"),
                ("dst_port", "remote_port"),
            ];
            for (from, to) in names {
                let from = of_socket.and_then(|layout| layout.field(from));
                let skips = self.kind == ContextKind::Skb && to == "protocol";
                if let (Some(from), Some(field), false) = (from, layout.field(to), skips) {
                    let start = usize::from(from.offset);
                    let len = from.len().min(field.len()) as usize;
                    let at = usize::from(field.offset);
                    bytes[at..at + len].copy_from_slice(&whole[start..start + len]);
                }
            }
            let program_type = self.program_type;
            if program_type == ProgramType::CgroupSock {
                bytes[..whole.len()].copy_from_slice(&whole);
            }
        }
        let mut pointer = |name: &str, value: u64| {
            if let Some(field) = layout.field(name) {
                match made.pointers.iter_mut().find(|(at, _)| *at == field.offset) {
                    Some(held) => held.1 = value,
                    None => made.pointers.push((field.offset, value)),
                }
            }
        };
        let sk = match socket {
            Some(at) => helpers::expose_socket(world, space, at)?,
            None => 0,
        };
        pointer("sk", sk);
        if self.program_type == ProgramType::SkReuseport {
            pointer("migrating_sk", 0);
        }
        if self.program_type == ProgramType::CgroupSockopt {
            let buffer = space.allocate(
                Kind::OptionValue,
                input.bytes.len() as u32,
                1,
                Protection::ReadWrite,
            );
            let buffer = buffer.map_err(|_| Trap::Memory)?;
            space.write(buffer.address, input.bytes)?;
            pointer("optval", buffer.address);
            pointer("optval_end", buffer.address + input.bytes.len() as u64);
            let field = layout.field("optlen");
            if let Some(field) = field {
                let at = usize::from(field.offset);
                let len = endian.put_u32(input.bytes.len() as u32);
                bytes[at..at + 4].copy_from_slice(&len);
            }
            made.buffer = Some((buffer.address, input.bytes.len()));
        }
        if self.program_type == ProgramType::SockOps {
            pointer("skb_data", 0);
            pointer("skb_data_end", 0);
        }
        if self.program_type == ProgramType::FlowDissector {
            let keys = flow_keys(endian, input.bytes);
            let block = space.allocate(Kind::FlowKeys, keys.len() as u32, 1, Protection::ReadWrite);
            let block = block.map_err(|_| Trap::Memory)?;
            space.write(block.address, &keys)?;
            pointer("flow_keys", block.address);
            made.buffer = Some((block.address, keys.len()));
        }
        if self.program_type == ProgramType::Netfilter {
            for (number, name) in ["state", "skb"].into_iter().enumerate() {
                let given = input.arguments.get(number).copied();
                let address = match given {
                    Some(address) => address,
                    None => {
                        let block = space.allocate(Kind::Kernel, 256, 1, Protection::ReadOnly);
                        block.map_err(|_| Trap::Memory)?.address
                    }
                };
                pointer(name, address);
                if name == "skb" {
                    made.running.packet_pointer = Some(address);
                }
            }
        }
        for (name, value) in &input.fields {
            let field = layout.field(name);
            let Some(field) = field.filter(|field| !field.pointer) else {
                return Err(Trap::NoInputField {
                    name: name.to_string(),
                    context: Some(layout.name),
                });
            };
            let value = value.bytes(endian, field.size.into());
            let at = usize::from(field.offset);
            if value.len() > field.len() as usize {
                return Err(Trap::InputFieldTooLong {
                    name: name.to_string(),
                    len: field.len(),
                });
            }
            bytes[at..at + value.len()].copy_from_slice(&value);
        }
        made.bytes = bytes;
        Ok(())
    }
}

fn rules(spec: &ProgramSpec, layout: &'static Layout) -> Rules {
    // A program of a type with attach types is loaded with number 0 if its section names none.
    let attach: Option<AttachType> = spec.attach_type;
    let usable = layout.fields.iter().map(|field| Usable {
        field,
        read: field.is_readable(spec.program_type, attach),
        write: field.is_writable(spec.program_type, attach),
    });
    Rules::Fields(usable.collect::<Arc<[Usable]>>())
}

/// What the kernel puts into `struct bpf_flow_keys` before it calls the program.
fn flow_keys(endian: Endian, frame: &[u8]) -> Vec<u8> {
    let mut keys = vec![0; 56];
    keys[..2].copy_from_slice(&endian.put_u16(14));
    keys[2..4].copy_from_slice(&endian.put_u16(14));
    if let Some(protocol) = frame.get(12..14) {
        keys[10..12].copy_from_slice(protocol);
    }
    keys
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

/// A value for a field of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'i> {
    /// A number, in the machine's byte order.
    Number(u64),
    /// Bytes as they are.
    Bytes(Cow<'i, [u8]>),
}

impl Value<'_> {
    pub(crate) fn bytes(&self, endian: Endian, size: usize) -> Vec<u8> {
        match self {
            Value::Number(_) => self.number(endian, size),
            Value::Bytes(bytes) => bytes.to_vec(),
        }
    }

    fn number(&self, endian: Endian, size: usize) -> Vec<u8> {
        match self {
            Value::Number(number) => match endian {
                Endian::Little => number.to_le_bytes()[..size].to_vec(),
                Endian::Big => number.to_be_bytes()[8 - size..].to_vec(),
            },
            Value::Bytes(bytes) => bytes.to_vec(),
        }
    }
}
