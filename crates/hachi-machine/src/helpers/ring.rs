//! Ring buffers and perf events.

use hachi_asm::helpers::id;
use hachi_obj::uapi::{
    BPF_F_CTXLEN_MASK, BPF_F_CURRENT_CPU, BPF_F_INDEX_MASK, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP,
};

use super::{Outcome, answer, map, misuse, not, size, unfit};
use crate::maps::{PerfEvent, Ring};
use crate::{Errno, Expected, Held, Host, Memory, Misuse, Trap, Wanted, World};

/// The flags of what ends a record.
const WAKEUPS: u64 = BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP;

fn ring(
    host: &mut dyn Host,
    helper: u32,
    pointer: u64,
) -> Result<(&mut Ring, String, &mut dyn Memory, &mut Vec<Held>), Trap> {
    let number = map(host, helper, pointer)?;
    let (World { maps, held, .. }, memory) = host.parts();
    let map = &mut maps[number as usize];
    let wrong = unfit(helper, map, Wanted::RingBuffer);
    let name = map.name().to_owned();
    match map.ring() {
        Some(ring) => Ok((ring, name, memory, held)),
        None => Err(wrong),
    }
}

pub fn reserve(host: &mut dyn Host, [pointer, len, flags, ..]: [u64; 5]) -> Outcome {
    let (ring, map, memory, held) = ring(host, id::RINGBUF_RESERVE, pointer)?;
    if flags != 0 {
        return Ok(0);
    }
    let block = ring.reserve(memory, &map, len).map_err(|_| Trap::Memory)?;
    let Some(block) = block else { return Ok(0) };
    let address = block.address;
    held.push(Held::Record { map, address });
    Ok(address)
}

fn finish(host: &mut dyn Host, helper: u32, [record, flags, ..]: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    let is_this = |held: &Held| matches!(held, Held::Record { address, .. } if *address == record);
    let Some(at) = world.held.iter().position(is_this) else {
        // Says what became of a record that is gone.
        memory.bytes(record, 1)?;
        return Err(not(helper, record, Expected::Record));
    };
    if flags & !WAKEUPS != 0 {
        return Err(misuse(helper, Misuse::Flags { flags }));
    }
    if let Held::Record { map, .. } = world.held.remove(at)
        && let Some(number) = world.map_number(&map)
        && let Some(ring) = world.maps[number as usize].ring()
    {
        match helper {
            id::RINGBUF_DISCARD => ring.discard(memory, record),
            _ => ring.submit(memory, record),
        };
    }
    Ok(0)
}

pub fn submit(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    finish(host, id::RINGBUF_SUBMIT, arguments)
}

pub fn discard(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    finish(host, id::RINGBUF_DISCARD, arguments)
}

pub fn output(host: &mut dyn Host, [pointer, from, len, flags, _]: [u64; 5]) -> Outcome {
    let len = size(id::RINGBUF_OUTPUT, len)?;
    let (ring, _, memory, _) = ring(host, id::RINGBUF_OUTPUT, pointer)?;
    let bytes = memory.bytes(from, len)?;
    answer(match flags & !WAKEUPS {
        0 if ring.output(&bytes) => Ok(0),
        0 => Err(Errno::EAGAIN),
        _ => Err(Errno::EINVAL),
    })
}

pub fn query(host: &mut dyn Host, [pointer, what, ..]: [u64; 5]) -> Outcome {
    let (ring, ..) = ring(host, id::RINGBUF_QUERY, pointer)?;
    Ok(ring.query(what))
}

pub fn perf_event_output(host: &mut dyn Host, [_, pointer, flags, from, len]: [u64; 5]) -> Outcome {
    let helper = id::PERF_EVENT_OUTPUT;
    let number = map(host, helper, pointer)?;
    let len = size(helper, len)?;
    let (world, memory) = host.parts();
    let mut bytes = memory.bytes(from, len)?;
    // The packet's bytes may be asked for, too.
    let of_packet = ((flags & BPF_F_CTXLEN_MASK) >> 32) as usize;
    if flags & !(BPF_F_CTXLEN_MASK | BPF_F_INDEX_MASK) != 0 {
        return answer(Err(Errno::EINVAL));
    }
    if of_packet > 0 {
        match &world.packet {
            Some(packet) if of_packet <= packet.len() as usize => {
                bytes.extend(memory.bytes(packet.data(), of_packet)?);
            }
            _ => return answer(Err(Errno::EFAULT)),
        }
    }
    let cpu = match flags & BPF_F_INDEX_MASK {
        BPF_F_CURRENT_CPU => world.cpu,
        index => index as u32,
    };
    let map = &mut world.maps[number as usize];
    if cpu >= map.max_entries() {
        return answer(Err(Errno::E2BIG));
    }
    match map.perf_events() {
        Some(events) => {
            events.push(PerfEvent { cpu, bytes });
            Ok(0)
        }
        None => Err(unfit(helper, map, Wanted::PerfEvents)),
    }
}
