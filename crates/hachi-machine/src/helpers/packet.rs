//! Helpers for packets.

use hachi_asm::helpers::id;
use hachi_obj::uapi::xdp_action::{XDP_ABORTED, XDP_REDIRECT};
use hachi_obj::{MapType, ProgramType};

use super::{Outcome, answer, map, misuse, unfit};
use crate::{Errno, Host, Memory, Misuse, Packet, Redirect, Trap, Wanted};

/// The bits of a redirection's flags that are what it returns if there is no entry.
const OTHERWISE: u64 = 3;

/// The packet of the program that runs.
fn packet(host: &mut dyn Host, helper: u32) -> Result<(&mut Packet, &mut dyn Memory), Trap> {
    let (world, memory) = host.parts();
    match &mut world.packet {
        Some(packet) => Ok((packet, memory)),
        None => Err(misuse(helper, Misuse::NoPacket)),
    }
}

fn adjust(
    host: &mut dyn Host,
    helper: u32,
    adjust: fn(&mut Packet, &mut dyn Memory, i32) -> bool,
    delta: u64,
) -> Outcome {
    let (packet, memory) = packet(host, helper)?;
    let adjusted = adjust(packet, memory, delta as i32);
    host.parts().0.packet_moved();
    answer(if adjusted { Ok(0) } else { Err(Errno::EINVAL) })
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

pub fn load_bytes(host: &mut dyn Host, [_, offset, to, len, _]: [u64; 5]) -> Outcome {
    let len = super::size(id::XDP_LOAD_BYTES, u64::from(len as u32))?;
    let (packet, memory) = packet(host, id::XDP_LOAD_BYTES)?;
    match packet.load(memory, offset as u32, len as u32)? {
        Some(bytes) => {
            memory.write(to, &bytes)?;
            Ok(0)
        }
        None => {
            // The kernel leaves zeros.
            memory.write(to, &vec![0; len])?;
            answer(Err(Errno::EFAULT))
        }
    }
}

pub fn store_bytes(host: &mut dyn Host, [_, offset, from, len, _]: [u64; 5]) -> Outcome {
    let len = super::size(id::XDP_STORE_BYTES, u64::from(len as u32))?;
    let (packet, memory) = packet(host, id::XDP_STORE_BYTES)?;
    let bytes = memory.bytes(from, len)?;
    let stored = packet.store(memory, offset as u32, &bytes)?;
    answer(if stored { Ok(0) } else { Err(Errno::EFAULT) })
}

pub fn len(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    let (packet, _) = packet(host, id::XDP_GET_BUFF_LEN)?;
    Ok(packet.total_len().into())
}

pub fn redirect(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    let [ifindex, flags, ..] = arguments;
    let (world, _) = host.parts();
    if world.running.program_type != ProgramType::Xdp as u32 {
        return super::skb::redirect(host, arguments);
    }
    if flags != 0 {
        return Ok(XDP_ABORTED.into());
    }
    world.redirect = Some(Redirect::Interface {
        ifindex: ifindex as u32,
        flags,
    });
    Ok(XDP_REDIRECT.into())
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
        return Err(unfit(id::REDIRECT_MAP, map, Wanted::Targets));
    }
    if flags & !OTHERWISE != 0 {
        return Ok(XDP_ABORTED.into());
    }
    let key_bytes = memory.endian().put_u32(key as u32);
    match map.values(memory, &key_bytes)?.pop() {
        Some(value) => {
            world.redirect = Some(Redirect::Map {
                map: map.name().to_owned(),
                key,
                value,
            });
            Ok(XDP_REDIRECT.into())
        }
        None => Ok(flags & OTHERWISE),
    }
}
