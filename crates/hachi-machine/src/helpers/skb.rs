//! Helpers for socket buffers (`struct __sk_buff`).

use hachi_asm::helpers::id;
use hachi_obj::uapi::bpf_adj_room_mode::{BPF_ADJ_ROOM_MAC, BPF_ADJ_ROOM_NET};
use hachi_obj::uapi::{
    BPF_ADJ_ROOM_ENCAP_L2_MASK, BPF_ADJ_ROOM_ENCAP_L2_SHIFT, BPF_F_ADJ_ROOM_DECAP_L3_IPV4,
    BPF_F_ADJ_ROOM_DECAP_L3_IPV6, BPF_F_ADJ_ROOM_ENCAP_L2_ETH, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4,
    BPF_F_ADJ_ROOM_ENCAP_L3_IPV6, BPF_F_ADJ_ROOM_ENCAP_L4_GRE, BPF_F_ADJ_ROOM_ENCAP_L4_UDP,
    BPF_F_ADJ_ROOM_FIXED_GSO, BPF_F_ADJ_ROOM_NO_CSUM_RESET, BPF_F_HDR_FIELD_MASK, BPF_F_INGRESS,
    BPF_F_INVALIDATE_HASH, BPF_F_IPV6, BPF_F_MARK_ENFORCE, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR,
    BPF_F_RECOMPUTE_CSUM, TC_ACT_REDIRECT, TC_ACT_SHOT,
};

use super::{Outcome, answer, context, misuse, size};
use crate::context::Layout;
use crate::{Errno, Fault, Host, Memory, Misuse, Packet, Redirect, Sent, Trap, World};

/// What redirecting returns, and what it returns where that fails.
const REDIRECTED: u64 = TC_ACT_REDIRECT as u64;
const DROPPED: u64 = TC_ACT_SHOT as u64;
/// Kinds of packets (`ETH_P_…`).
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN_TAG: u16 = 0x8100;
const SERVICE_VLAN_TAG: u16 = 0x88a8;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Bytes of a VLAN header.
const VLAN: usize = 4;

/// Where a field of `struct __sk_buff` is.
fn place(name: &str) -> u64 {
    let field = Layout::named("__sk_buff").and_then(|layout| layout.field(name));
    field.map_or(0, |field| field.offset.into())
}

/// The number that a field of the context holds.
pub(super) fn field(host: &mut dyn Host, name: &str) -> Result<u32, Fault> {
    let (world, memory) = host.parts();
    let mut bytes = [0; 4];
    memory.read_owned(world.running.context.wrapping_add(place(name)), &mut bytes)?;
    Ok(memory.endian().u32(bytes))
}

pub(super) fn set_field(host: &mut dyn Host, name: &str, value: u32) -> Result<(), Fault> {
    let (world, memory) = host.parts();
    let bytes = memory.endian().put_u32(value);
    memory.write_owned(world.running.context.wrapping_add(place(name)), &bytes)
}

/// The packet, if the first argument is the context.
fn packet(
    host: &mut dyn Host,
    helper: u32,
    argument: u64,
) -> Result<(&mut World, Packet, &mut dyn Memory), Trap> {
    context(host, helper, argument)?;
    let (world, memory) = host.parts();
    match world.packet {
        Some(packet) => Ok((world, packet, memory)),
        None => Err(misuse(helper, Misuse::NoPacket)),
    }
}

/// Gives the packet other bytes; pointers into it are void.
fn replace(host: &mut dyn Host, bytes: &[u8]) -> Result<(), Trap> {
    let (world, memory) = host.parts();
    if let Some(packet) = &mut world.packet {
        packet.replace(memory, bytes).map_err(|_| Trap::Memory)?;
    }
    world.packet_moved();
    set_field(host, "len", bytes.len() as u32)?;
    Ok(())
}

/// Makes pointers into the packet void, as the kernel's verifier does after these helpers.
fn touched(host: &mut dyn Host) {
    let (world, memory) = host.parts();
    if let Some(packet) = &mut world.packet {
        packet.void_pointers(memory);
    }
    world.packet_moved();
}

/// Whether the packet begins with its Ethernet header.
fn has_ethernet(world: &World) -> bool {
    world.running.hidden.is_empty()
}

pub fn load_bytes(host: &mut dyn Host, [ctx, offset, to, len, _]: [u64; 5]) -> Outcome {
    let room = size(id::SKB_LOAD_BYTES, u64::from(len as u32))?;
    let (_, packet, memory) = packet(host, id::SKB_LOAD_BYTES, ctx)?;
    match packet.load(memory, offset as u32, room as u32)? {
        Some(bytes) => {
            memory.write(to, &bytes)?;
            Ok(0)
        }
        None => {
            // The kernel leaves zeros.
            memory.write(to, &vec![0; room])?;
            answer(Err(Errno::EFAULT))
        }
    }
}

pub fn load_bytes_relative(host: &mut dyn Host, [ctx, offset, to, len, from]: [u64; 5]) -> Outcome {
    let helper = id::SKB_LOAD_BYTES_RELATIVE;
    let room = size(helper, u64::from(len as u32))?;
    let (world, packet, memory) = packet(host, helper, ctx)?;
    let hidden = world.running.hidden.clone();
    let mut all = hidden.clone();
    all.extend(packet.bytes(memory)?);
    let start = match from {
        // `BPF_HDR_START_MAC`
        0 => 0,
        // `BPF_HDR_START_NET`
        1 => ETHERNET,
        _ => usize::MAX,
    };
    let first = start.checked_add(offset as u32 as usize);
    let part = first.and_then(|first| all.get(first..first.checked_add(room)?));
    match part {
        Some(bytes) => {
            memory.write(to, bytes)?;
            Ok(0)
        }
        None => {
            memory.write(to, &vec![0; room])?;
            answer(Err(Errno::EFAULT))
        }
    }
}

pub fn store_bytes(host: &mut dyn Host, [ctx, offset, from, len, flags]: [u64; 5]) -> Outcome {
    let helper = id::SKB_STORE_BYTES;
    let len = size(helper, u64::from(len as u32))?;
    let (_, packet, memory) = packet(host, helper, ctx)?;
    let bytes = memory.bytes(from, len)?;
    if flags & !(BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH) != 0 {
        return answer(Err(Errno::EINVAL));
    }
    let stored = packet.store(memory, offset as u32, &bytes)?;
    touched(host);
    answer(if stored { Ok(0) } else { Err(Errno::EFAULT) })
}

/// Adds to the folded sum of a checksum field what took away `from` and put `to`.
fn replaced(sum: u16, from: u64, to: u64) -> u16 {
    let mut total = u64::from(!sum) + (!from & 0xffff_ffff) + (to & 0xffff_ffff);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}

fn replace_sum(
    host: &mut dyn Host,
    helper: u32,
    [ctx, offset, from, to, flags]: [u64; 5],
    allowed: u64,
) -> Outcome {
    let (_, packet, memory) = packet(host, helper, ctx)?;
    let width = flags & BPF_F_HDR_FIELD_MASK;
    if flags & !allowed != 0 || offset > 0xffff || offset & 1 != 0 {
        return answer(Err(Errno::EINVAL));
    }
    let endian = memory.endian();
    let Some(bytes) = packet.load(memory, offset as u32, 2)? else {
        return answer(Err(Errno::EFAULT));
    };
    let old = endian.u16([bytes[0], bytes[1]]);
    let (from, to) = match width {
        // The difference was computed by `bpf_csum_diff`.
        0 if from == 0 => (0, to & 0xffff_ffff),
        2 => (from & 0xffff, to & 0xffff),
        4 => (from & 0xffff_ffff, to & 0xffff_ffff),
        _ => return answer(Err(Errno::EINVAL)),
    };
    // A checksum of zero stands for none (UDP).
    let may_be_none = flags & BPF_F_MARK_MANGLED_0 != 0 && helper == id::L4_CSUM_REPLACE;
    let mut new = match width {
        0 => {
            let mut total = u64::from(!old) + to;
            while total > 0xffff {
                total = (total & 0xffff) + (total >> 16);
            }
            !(total as u16)
        }
        2 => {
            let mut total = u64::from(!old) + u64::from(!(from as u16)) + to;
            while total > 0xffff {
                total = (total & 0xffff) + (total >> 16);
            }
            !(total as u16)
        }
        _ => replaced(old, from, to),
    };
    if may_be_none && old == 0 {
        // Nothing is to be kept right.
        touched(host);
        return Ok(0);
    }
    if may_be_none && new == 0 {
        new = 0xffff;
    }
    let (world, memory) = host.parts();
    if let Some(packet) = world.packet {
        packet.store(memory, offset as u32, &endian.put_u16(new))?;
    }
    touched(host);
    Ok(0)
}

pub fn l3_csum_replace(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    replace_sum(host, id::L3_CSUM_REPLACE, arguments, BPF_F_HDR_FIELD_MASK)
}

pub fn l4_csum_replace(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    let allowed = BPF_F_HDR_FIELD_MASK
        | BPF_F_PSEUDO_HDR
        | BPF_F_MARK_MANGLED_0
        | BPF_F_MARK_ENFORCE
        | BPF_F_IPV6;
    replace_sum(host, id::L4_CSUM_REPLACE, arguments, allowed)
}

pub fn csum_update(host: &mut dyn Host, [ctx, ..]: [u64; 5]) -> Outcome {
    // A packet whose checksum the card did not compute.
    packet(host, id::CSUM_UPDATE, ctx)?;
    answer(Err(Errno::ENOTSUPP))
}

pub fn csum_level(host: &mut dyn Host, [ctx, level, ..]: [u64; 5]) -> Outcome {
    packet(host, id::CSUM_LEVEL, ctx)?;
    answer(match level {
        // Query: the checksum was not verified.
        0 => Err(Errno::EACCES),
        1..=3 => Ok(0),
        _ => Err(Errno::EINVAL),
    })
}

/// The Ethernet type of a packet, or 0.
fn ethertype(bytes: &[u8]) -> u16 {
    match bytes.get(12..14) {
        Some([high, low]) => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

fn is_vlan(ethertype: u16) -> bool {
    matches!(ethertype, VLAN_TAG | SERVICE_VLAN_TAG)
}

/// A number in network byte order as the program's machine reads it.
fn network(host: &mut dyn Host, value: u16) -> u32 {
    host.parts().1.endian().u16(value.to_be_bytes()).into()
}

pub fn vlan_push(host: &mut dyn Host, [ctx, protocol, tci, ..]: [u64; 5]) -> Outcome {
    let helper = id::SKB_VLAN_PUSH;
    let (_, packet, memory) = packet(host, helper, ctx)?;
    let endian = memory.endian();
    let mut bytes = packet.bytes(memory)?;
    let mut protocol = u16::from_be_bytes(endian.put_u16(protocol as u16));
    if !is_vlan(protocol) {
        protocol = VLAN_TAG;
    }
    if bytes.len() < ETHERNET {
        return answer(Err(Errno::ENOMEM));
    }
    if field(host, "vlan_present")? != 0 {
        // The tag that it had moves into the packet.
        let (old, old_tci) = (field(host, "vlan_proto")?, field(host, "vlan_tci")?);
        let tag = [endian.put_u16(old as u16), (old_tci as u16).to_be_bytes()].concat();
        bytes.splice(12..12, tag);
        set_field(host, "protocol", old)?;
        replace(host, &bytes)?;
    } else {
        touched(host);
    }
    let shown = network(host, protocol);
    set_field(host, "vlan_present", 1)?;
    set_field(host, "vlan_proto", shown)?;
    set_field(host, "vlan_tci", u32::from(tci as u16))?;
    Ok(0)
}

pub fn vlan_pop(host: &mut dyn Host, [ctx, ..]: [u64; 5]) -> Outcome {
    let (_, packet, memory) = packet(host, id::SKB_VLAN_POP, ctx)?;
    let mut bytes = packet.bytes(memory)?;
    if field(host, "vlan_present")? != 0 {
        for name in ["vlan_present", "vlan_proto", "vlan_tci"] {
            set_field(host, name, 0)?;
        }
    } else {
        if !is_vlan(ethertype(&bytes)) || bytes.len() < ETHERNET + VLAN {
            touched(host);
            return Ok(0);
        }
        bytes.drain(12..12 + VLAN);
        let inner = network(host, ethertype(&bytes));
        set_field(host, "protocol", inner)?;
        replace(host, &bytes)?;
    }
    // A tag that is left in the packet takes its place.
    let outer = ethertype(&bytes);
    if is_vlan(outer) && bytes.len() >= ETHERNET + VLAN {
        let tci = u16::from_be_bytes([bytes[14], bytes[15]]);
        bytes.drain(12..12 + VLAN);
        let inner = network(host, ethertype(&bytes));
        let shown = network(host, outer);
        set_field(host, "protocol", inner)?;
        set_field(host, "vlan_present", 1)?;
        set_field(host, "vlan_proto", shown)?;
        set_field(host, "vlan_tci", tci.into())?;
        replace(host, &bytes)?;
    } else {
        touched(host);
    }
    Ok(0)
}

pub fn change_type(host: &mut dyn Host, [ctx, kind, ..]: [u64; 5]) -> Outcome {
    packet(host, id::SKB_CHANGE_TYPE, ctx)?;
    // Only between host, broadcast, multicast and other host.
    let now = field(host, "pkt_type")?;
    if now > 3 || kind as u32 > 3 {
        return answer(Err(Errno::EINVAL));
    }
    set_field(host, "pkt_type", kind as u32)?;
    Ok(0)
}

pub fn change_proto(host: &mut dyn Host, [ctx, protocol, flags, ..]: [u64; 5]) -> Outcome {
    let (world, packet, memory) = packet(host, id::SKB_CHANGE_PROTO, ctx)?;
    let start = if has_ethernet(world) { ETHERNET } else { 0 };
    let endian = memory.endian();
    let to = u16::from_be_bytes(endian.put_u16(protocol as u16));
    let mut bytes = packet.bytes(memory)?;
    let from = u16::from_be_bytes(endian.put_u16(field(host, "protocol")? as u16));
    if flags != 0 {
        return answer(Err(Errno::EINVAL));
    }
    match (from, to) {
        (IPV4, IPV6) if bytes.len() >= start + 20 => {
            bytes.splice(start..start, [0; 20]);
        }
        (IPV6, IPV4) if bytes.len() >= start + 40 => {
            bytes.drain(start..start + 20);
        }
        _ => return answer(Err(Errno::ENOTSUPP)),
    }
    set_field(host, "protocol", protocol as u16 as u32)?;
    replace(host, &bytes)?;
    Ok(0)
}

pub fn change_tail(host: &mut dyn Host, [ctx, len, flags, ..]: [u64; 5]) -> Outcome {
    let helper = id::SKB_CHANGE_TAIL;
    let (world, packet, memory) = packet(host, helper, ctx)?;
    let least = if has_ethernet(world) { ETHERNET } else { 0 };
    let len = len as u32 as usize;
    let mut bytes = packet.bytes(memory)?;
    // The largest packet of an interface with the usual MTU, as the kernel's test run has it.
    if flags != 0 || len > 65535 || len < least {
        return answer(Err(Errno::EINVAL));
    }
    bytes.resize(len, 0);
    replace(host, &bytes)?;
    Ok(0)
}

pub fn change_head(host: &mut dyn Host, [ctx, room, flags, ..]: [u64; 5]) -> Outcome {
    let (_, packet, memory) = packet(host, id::SKB_CHANGE_HEAD, ctx)?;
    let room = room as u32 as usize;
    let mut bytes = packet.bytes(memory)?;
    if flags != 0 || bytes.len() + room > 65535 {
        return answer(Err(Errno::EINVAL));
    }
    bytes.splice(0..0, std::iter::repeat_n(0, room));
    replace(host, &bytes)?;
    Ok(0)
}

pub fn pull_data(host: &mut dyn Host, [ctx, len, ..]: [u64; 5]) -> Outcome {
    let (_, packet, memory) = packet(host, id::SKB_PULL_DATA, ctx)?;
    if len as u32 > packet.total_len() {
        return answer(Err(Errno::ENOMEM));
    }
    let bytes = packet.bytes(memory)?;
    replace(host, &bytes)?;
    Ok(0)
}

pub fn adjust_room(host: &mut dyn Host, [ctx, difference, mode, flags, _]: [u64; 5]) -> Outcome {
    const ALLOWED: u64 = BPF_F_ADJ_ROOM_FIXED_GSO
        | BPF_F_ADJ_ROOM_NO_CSUM_RESET
        | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
        | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6
        | BPF_F_ADJ_ROOM_ENCAP_L4_GRE
        | BPF_F_ADJ_ROOM_ENCAP_L4_UDP
        | BPF_F_ADJ_ROOM_ENCAP_L2_ETH
        | BPF_F_ADJ_ROOM_DECAP_L3_IPV4
        | BPF_F_ADJ_ROOM_DECAP_L3_IPV6
        | BPF_ADJ_ROOM_ENCAP_L2_MASK << BPF_ADJ_ROOM_ENCAP_L2_SHIFT;
    let (world, packet, memory) = packet(host, id::SKB_ADJUST_ROOM, ctx)?;
    let start = if has_ethernet(world) { ETHERNET } else { 0 };
    let mut bytes = packet.bytes(memory)?;
    let endian = memory.endian();
    let difference = i64::from(difference as i32);
    let count = difference.unsigned_abs() as usize;
    let header = match u16::from_be_bytes(endian.put_u16(field(host, "protocol")? as u16)) {
        IPV4 => 20,
        IPV6 => 40,
        _ => return answer(Err(Errno::ENOTSUPP)),
    };
    let at = match mode as u32 {
        BPF_ADJ_ROOM_MAC => start,
        BPF_ADJ_ROOM_NET => start + header,
        _ => return answer(Err(Errno::ENOTSUPP)),
    };
    if flags & !ALLOWED != 0 {
        return answer(Err(Errno::EINVAL));
    }
    if count > 0xfff {
        return answer(Err(Errno::EFAULT));
    }
    if difference < 0 {
        if bytes.len() < start + header + count {
            return answer(Err(Errno::ENOTSUPP));
        }
        bytes.drain(at..at + count);
    } else {
        if bytes.len() < at {
            return answer(Err(Errno::EINVAL));
        }
        bytes.splice(at..at, std::iter::repeat_n(0, count));
    }
    replace(host, &bytes)?;
    Ok(0)
}

pub fn ecn_set_ce(host: &mut dyn Host, [ctx, ..]: [u64; 5]) -> Outcome {
    let (world, packet, memory) = packet(host, id::SKB_ECN_SET_CE, ctx)?;
    let start = if has_ethernet(world) { ETHERNET } else { 0 };
    let mut bytes = packet.bytes(memory)?;
    let version = bytes.get(start).map(|byte| byte >> 4);
    let marked = match (version, bytes.get(start + 1).copied()) {
        (Some(4), Some(tos)) if bytes.len() >= start + 20 => {
            let new = tos | 3;
            if tos & 3 != 0 && new != tos {
                let old_word = u64::from(u16::from_be_bytes([bytes[start], tos]));
                let new_word = u64::from(u16::from_be_bytes([bytes[start], new]));
                let sum = u16::from_be_bytes([bytes[start + 10], bytes[start + 11]]);
                let mut total = u64::from(!sum) + (!old_word & 0xffff) + new_word;
                while total > 0xffff {
                    total = (total & 0xffff) + (total >> 16);
                }
                bytes[start + 1] = new;
                bytes[start + 10..start + 12].copy_from_slice(&(!(total as u16)).to_be_bytes());
            }
            tos & 3 != 0
        }
        (Some(6), Some(second)) if bytes.len() >= start + 40 => {
            let capable = second & 0x30 != 0;
            if capable {
                bytes[start + 1] = second | 0x30;
            }
            capable
        }
        _ => false,
    };
    if let (world, memory) = host.parts()
        && let Some(packet) = world.packet
    {
        packet.store(memory, 0, &bytes)?;
    }
    Ok(marked.into())
}

pub fn set_tstamp(host: &mut dyn Host, [ctx, stamp, kind, ..]: [u64; 5]) -> Outcome {
    packet(host, id::SKB_SET_TSTAMP, ctx)?;
    let valid = match kind as u32 {
        0 => stamp == 0,
        1 | 2 => stamp != 0,
        _ => false,
    };
    if !valid {
        return answer(Err(Errno::EINVAL));
    }
    let (world, memory) = host.parts();
    let (context, endian) = (world.running.context, memory.endian());
    memory.write_owned(
        context.wrapping_add(place("tstamp")),
        &endian.put_u64(stamp),
    )?;
    memory.write_owned(context.wrapping_add(place("tstamp_type")), &[kind as u8])?;
    Ok(0)
}

pub fn hash(host: &mut dyn Host, [ctx, ..]: [u64; 5]) -> Outcome {
    let (_, packet, memory) = packet(host, id::GET_HASH_RECALC, ctx)?;
    let bytes = packet.bytes(memory)?;
    let now = field(host, "hash")?;
    if now != 0 {
        return Ok(now.into());
    }
    // Any number that depends on the packet only; the kernel's has a secret in it.
    let mut value = 0x811c_9dc5_u32;
    for byte in &bytes {
        value = (value ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    let value = value.max(1);
    set_field(host, "hash", value)?;
    Ok(value.into())
}

pub fn set_hash(host: &mut dyn Host, [ctx, value, ..]: [u64; 5]) -> Outcome {
    packet(host, id::SET_HASH, ctx)?;
    set_field(host, "hash", value as u32)?;
    Ok(0)
}

pub fn set_hash_invalid(host: &mut dyn Host, [ctx, ..]: [u64; 5]) -> Outcome {
    packet(host, id::SET_HASH_INVALID, ctx)?;
    set_field(host, "hash", 0)?;
    Ok(0)
}

pub fn route_realm(host: &mut dyn Host, [ctx, ..]: [u64; 5]) -> Outcome {
    packet(host, id::GET_ROUTE_REALM, ctx)?;
    // Only packets with a route have a realm.
    Ok(0)
}

fn tunnel(
    host: &mut dyn Host,
    helper: u32,
    [ctx, at, len, ..]: [u64; 5],
    options: bool,
    set: bool,
) -> Outcome {
    packet(host, helper, ctx)?;
    let len = size(helper, u64::from(len as u32))?;
    let (world, memory) = host.parts();
    let held = match options {
        true => &mut world.tunnel.1,
        false => &mut world.tunnel.0,
    };
    if set {
        if options && !len.is_multiple_of(4) {
            return answer(Err(Errno::EINVAL));
        }
        *held = memory.bytes(at, len)?;
        return Ok(0);
    }
    if held.is_empty() {
        memory.write(at, &vec![0; len])?;
        let errno = if options {
            Errno::ENOENT
        } else {
            Errno::EINVAL
        };
        return answer(Err(errno));
    }
    let mut bytes = held.clone();
    let known = bytes.len();
    if options && known > len {
        memory.write(at, &vec![0; len])?;
        return answer(Err(Errno::ENOMEM));
    }
    bytes.resize(len, 0);
    memory.write(at, &bytes)?;
    Ok(if options { known as u64 } else { 0 })
}

pub fn get_tunnel_key(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    tunnel(host, id::SKB_GET_TUNNEL_KEY, arguments, false, false)
}

pub fn set_tunnel_key(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    tunnel(host, id::SKB_SET_TUNNEL_KEY, arguments, false, true)
}

pub fn get_tunnel_opt(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    tunnel(host, id::SKB_GET_TUNNEL_OPT, arguments, true, false)
}

pub fn set_tunnel_opt(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    tunnel(host, id::SKB_SET_TUNNEL_OPT, arguments, true, true)
}

pub fn clone_redirect(host: &mut dyn Host, [ctx, ifindex, flags, ..]: [u64; 5]) -> Outcome {
    let (world, packet, memory) = packet(host, id::CLONE_REDIRECT, ctx)?;
    if flags & !BPF_F_INGRESS != 0 || ifindex as u32 == 0 {
        return answer(Err(Errno::EINVAL));
    }
    let bytes = packet.bytes(memory)?;
    world.sent.push(Sent {
        ifindex: ifindex as u32,
        ingress: flags & BPF_F_INGRESS != 0,
        bytes,
    });
    touched(host);
    Ok(0)
}

pub fn redirect(host: &mut dyn Host, [ifindex, flags, ..]: [u64; 5]) -> Outcome {
    if flags & !BPF_F_INGRESS != 0 {
        return Ok(DROPPED);
    }
    host.parts().0.redirect = Some(Redirect::Interface {
        ifindex: ifindex as u32,
        flags,
    });
    Ok(REDIRECTED)
}

pub fn redirect_peer(host: &mut dyn Host, [ifindex, flags, ..]: [u64; 5]) -> Outcome {
    if flags != 0 {
        return Ok(DROPPED);
    }
    let ifindex = ifindex as u32;
    host.parts().0.redirect = Some(Redirect::Peer { ifindex });
    Ok(REDIRECTED)
}

pub fn redirect_neigh(host: &mut dyn Host, [ifindex, at, len, flags, _]: [u64; 5]) -> Outcome {
    let len = size(id::REDIRECT_NEIGH, len)?;
    if len > 0 {
        host.parts().1.bytes(at, len)?;
    }
    if flags != 0 {
        return Ok(DROPPED);
    }
    let ifindex = ifindex as u32;
    host.parts().0.redirect = Some(Redirect::Neighbour { ifindex });
    Ok(REDIRECTED)
}
