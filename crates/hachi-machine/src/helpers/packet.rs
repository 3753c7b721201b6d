//! Helpers for packets.

use hachi_asm::helpers::id;
use hachi_obj::MapType;

use super::{Outcome, answer, map, misuse};
use crate::{Errno, Host, Memory, Packet, Redirect, Trap};

/// `XDP_REDIRECT`, and `XDP_ABORTED` where a redirection fails.
const XDP_REDIRECT: u64 = 4;

/// The packet of the program that runs.
fn packet(host: &mut dyn Host, helper: u32) -> Result<(&mut Packet, &mut dyn Memory), Trap> {
    let (world, memory) = host.parts();
    match &mut world.packet {
        Some(packet) => Ok((packet, memory)),
        None => Err(misuse(helper, "the program has no packet")),
    }
}

fn adjust(
    host: &mut dyn Host,
    helper: u32,
    adjust: fn(&mut Packet, &mut dyn Memory, i32) -> bool,
    delta: u64,
) -> Outcome {
    let (packet, memory) = packet(host, helper)?;
    match adjust(packet, memory, delta as i32) {
        true => Ok(0),
        false => answer(Err(Errno::EINVAL)),
    }
}

pub fn adjust_head(host: &mut dyn Host, [_, delta, ..]: [u64; 5]) -> Outcome {
    adjust(host, id::XDP_ADJUST_HEAD, Packet::adjust_head, delta)
}

pub fn adjust_tail(host: &mut dyn Host, [_, delta, ..]: [u64; 5]) -> Outcome {
    adjust(host, id::XDP_ADJUST_TAIL, Packet::adjust_tail, delta)
}

pub fn adjust_meta(host: &mut dyn Host, [_, delta, ..]: [u64; 5]) -> Outcome {
    adjust(host, id::XDP_ADJUST_META, Packet::adjust_meta, delta)
}

/// Where bytes of the packet are, if it has them.
fn part(packet: &Packet, offset: u64, len: u64) -> Option<u64> {
    let (offset, len) = (u64::from(offset as u32), u64::from(len as u32));
    let fits = offset + len <= packet.len().into();
    fits.then(|| packet.data().wrapping_add(offset))
}

pub fn load_bytes(host: &mut dyn Host, [_, offset, to, len, _]: [u64; 5]) -> Outcome {
    let (packet, memory) = packet(host, id::XDP_LOAD_BYTES)?;
    let Some(from) = part(packet, offset, len) else {
        // The kernel leaves zeros.
        memory.write(to, &vec![0; super::size(id::XDP_LOAD_BYTES, len)?])?;
        return answer(Err(Errno::EFAULT));
    };
    let bytes = memory.bytes(from, len as u32 as usize)?;
    memory.write(to, &bytes)?;
    Ok(0)
}

pub fn store_bytes(host: &mut dyn Host, [_, offset, from, len, _]: [u64; 5]) -> Outcome {
    let (packet, memory) = packet(host, id::XDP_STORE_BYTES)?;
    let Some(to) = part(packet, offset, len) else {
        return answer(Err(Errno::EFAULT));
    };
    let bytes = memory.bytes(from, len as u32 as usize)?;
    memory.write(to, &bytes)?;
    Ok(0)
}

pub fn len(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    let (packet, _) = packet(host, id::XDP_GET_BUFF_LEN)?;
    Ok(packet.len().into())
}

pub fn redirect(host: &mut dyn Host, [ifindex, flags, ..]: [u64; 5]) -> Outcome {
    let (world, _) = host.parts();
    if flags != 0 {
        // `XDP_ABORTED`
        return Ok(0);
    }
    world.redirect = Some(Redirect::Interface {
        ifindex: ifindex as u32,
        flags,
    });
    Ok(XDP_REDIRECT)
}

pub fn redirect_map(host: &mut dyn Host, [pointer, key, flags, ..]: [u64; 5]) -> Outcome {
    let number = map(host, id::REDIRECT_MAP, pointer)?;
    let (world, memory) = host.parts();
    let map = &mut world.maps[number as usize];
    let is_target = matches!(
        map.kind(),
        MapType::Devmap | MapType::DevmapHash | MapType::Cpumap | MapType::Xskmap
    );
    if !is_target {
        let what = format!("maps of type {} are no targets", map.kind().name());
        return Err(misuse(id::REDIRECT_MAP, what));
    }
    // The lower two bits are what it returns if there is no entry.
    if flags & !3 != 0 {
        return Ok(0);
    }
    let key_bytes = memory.endian().put_u32(key as u32);
    match map.values(memory, &key_bytes)?.pop() {
        Some(value) => {
            world.redirect = Some(Redirect::Map {
                map: map.name().to_owned(),
                key,
                value,
            });
            Ok(XDP_REDIRECT)
        }
        None => Ok(flags & 3),
    }
}
