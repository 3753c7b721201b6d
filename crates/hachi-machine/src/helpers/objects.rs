//! Dynptrs, timers, storages, records from user space.

use hachi_asm::helpers::id;
use hachi_obj::MapType;
use hachi_obj::uapi::{
    BPF_F_TIMER_ABS, BPF_F_TIMER_CPU_PIN, BPF_LOCAL_STORAGE_GET_F_CREATE, BPF_RB_FORCE_WAKEUP,
    BPF_RB_NO_WAKEUP,
};

use super::{Outcome, answer, map, misuse, not, size, unfit};
use crate::maps::BPF_NOEXIST;
use crate::objects::{Dynptr, Target, Timer};
use crate::{Errno, Expected, Held, Host, Misuse, Protection, Trap, Wanted, World};

/// The clocks of timers, of `include/uapi/linux/time.h`.
const CLOCK_REALTIME: u64 = 0;
const CLOCK_MONOTONIC: u64 = 1;
const CLOCK_BOOTTIME: u64 = 7;
/// Bytes of a dynptr.
const DYNPTR: usize = 16;
/// The longest stretch that one points to.
const LARGEST: u64 = (1 << 24) - 1;

/// Makes a dynptr at an address of the program's; `None` for an empty one.
pub fn put(host: &mut dyn Host, at: u64, dynptr: Option<Dynptr>) -> Result<(), Trap> {
    let (world, memory) = host.parts();
    // Its bytes are the kernel's business; they count as written.
    memory.write(at, &[0; DYNPTR])?;
    match dynptr {
        Some(dynptr) => world.objects.dynptrs.insert(at, dynptr),
        None => world.objects.dynptrs.remove(&at),
    };
    Ok(())
}

/// The dynptr at an address; an empty one gives `EINVAL` to the program.
pub fn get(host: &mut dyn Host, at: u64) -> Option<Dynptr> {
    host.parts().0.objects.dynptrs.get(&at).copied()
}

/// The bytes of a part of a dynptr.
pub fn read_part(
    host: &mut dyn Host,
    at: u64,
    offset: u64,
    len: usize,
) -> Result<Result<Vec<u8>, Errno>, Trap> {
    let Some(dynptr) = get(host, at) else {
        return Ok(Err(Errno::EINVAL));
    };
    if offset.saturating_add(len as u64) > dynptr.len.into() {
        return Ok(Err(Errno::E2BIG));
    }
    let (world, memory) = host.parts();
    let offset = u64::from(dynptr.offset) + offset;
    Ok(match dynptr.target {
        Target::Memory(base) | Target::Record(base) => {
            Ok(memory.bytes(base.wrapping_add(offset), len)?)
        }
        Target::Packet => match world.packet {
            Some(packet) => {
                let part = packet.load(memory, offset as u32, len as u32)?;
                part.ok_or(Errno::E2BIG)
            }
            None => Err(Errno::EINVAL),
        },
    })
}

/// Where a part of a dynptr lies, if it is one stretch.
pub fn slice(host: &mut dyn Host, at: u64, offset: u64, len: u64, write: bool) -> Option<u64> {
    let dynptr = get(host, at)?;
    if offset.saturating_add(len) > dynptr.len.into() || write && dynptr.read_only {
        return None;
    }
    let offset = u64::from(dynptr.offset) + offset;
    match dynptr.target {
        Target::Memory(base) | Target::Record(base) => Some(base.wrapping_add(offset)),
        Target::Packet => {
            let packet = host.parts().0.packet?;
            let inside = offset + len <= packet.len().into();
            inside.then(|| packet.data().wrapping_add(offset))
        }
    }
}

/// Writes bytes into a dynptr.
pub fn write_part(
    host: &mut dyn Host,
    at: u64,
    offset: u64,
    bytes: &[u8],
) -> Result<Result<(), Errno>, Trap> {
    let Some(dynptr) = get(host, at) else {
        return Ok(Err(Errno::EINVAL));
    };
    if dynptr.read_only {
        return Ok(Err(Errno::EINVAL));
    }
    if offset.saturating_add(bytes.len() as u64) > dynptr.len.into() {
        return Ok(Err(Errno::E2BIG));
    }
    let (world, memory) = host.parts();
    let offset = u64::from(dynptr.offset) + offset;
    match dynptr.target {
        Target::Memory(base) | Target::Record(base) => {
            memory.write(base.wrapping_add(offset), bytes)?;
        }
        Target::Packet => {
            if let Some(packet) = world.packet
                && !packet.store(memory, offset as u32, bytes)?
            {
                return Ok(Err(Errno::E2BIG));
            }
        }
    }
    Ok(Ok(()))
}

pub fn from_mem(host: &mut dyn Host, [data, len, flags, at, _]: [u64; 5]) -> Outcome {
    let len = u64::from(len as u32);
    let (_, memory) = host.parts();
    memory.bytes(data, size(id::DYNPTR_FROM_MEM, len)?)?;
    if flags != 0 || len > LARGEST {
        put(host, at, None)?;
        return answer(Err(if flags != 0 {
            Errno::EINVAL
        } else {
            Errno::E2BIG
        }));
    }
    let dynptr = Dynptr {
        target: Target::Memory(data),
        offset: 0,
        len: len as u32,
        read_only: false,
    };
    put(host, at, Some(dynptr))?;
    Ok(0)
}

pub fn dynptr_read(host: &mut dyn Host, [to, len, at, offset, flags]: [u64; 5]) -> Outcome {
    let len = size(id::DYNPTR_READ, u64::from(len as u32))?;
    if flags != 0 {
        return answer(Err(Errno::EINVAL));
    }
    match read_part(host, at, u64::from(offset as u32), len)? {
        Ok(bytes) => {
            host.parts().1.write(to, &bytes)?;
            Ok(0)
        }
        Err(errno) => {
            host.parts().1.write(to, &vec![0; len])?;
            answer(Err(errno))
        }
    }
}

pub fn dynptr_write(host: &mut dyn Host, [at, offset, from, len, flags]: [u64; 5]) -> Outcome {
    let len = size(id::DYNPTR_WRITE, u64::from(len as u32))?;
    let bytes = host.parts().1.bytes(from, len)?;
    let is_packet = get(host, at).is_some_and(|dynptr| dynptr.target == Target::Packet);
    if flags != 0 && !is_packet {
        return answer(Err(Errno::EINVAL));
    }
    answer(write_part(host, at, u64::from(offset as u32), &bytes)?.map(|()| 0))
}

pub fn dynptr_data(host: &mut dyn Host, [at, offset, len, ..]: [u64; 5]) -> Outcome {
    // Those to packets have slices instead.
    if get(host, at).is_some_and(|dynptr| dynptr.target == Target::Packet) {
        return Ok(0);
    }
    let (offset, len) = (u64::from(offset as u32), u64::from(len as u32));
    Ok(slice(host, at, offset, len, true).unwrap_or(0))
}

pub fn reserve_dynptr(host: &mut dyn Host, [pointer, len, flags, at, _]: [u64; 5]) -> Outcome {
    let len = u64::from(len as u32);
    let record = match len {
        0..=LARGEST if flags == 0 => super::ring::reserve(host, [pointer, len, 0, 0, 0])?,
        _ => 0,
    };
    if record == 0 {
        // Even so it has to be discarded, as in the kernel.
        put(host, at, None)?;
        host.parts().0.held.push(Held::Reference {
            what: "a dynptr to a record",
            address: at,
        });
        let errno = match (flags, len) {
            (0, 0..=LARGEST) => Errno::EINVAL,
            (0, _) => Errno::E2BIG,
            _ => Errno::EINVAL,
        };
        return answer(Err(errno));
    }
    let dynptr = Dynptr {
        target: Target::Record(record),
        offset: 0,
        len: len as u32,
        read_only: false,
    };
    put(host, at, Some(dynptr))?;
    Ok(0)
}

fn finish_dynptr(host: &mut dyn Host, helper: u32, [at, flags, ..]: [u64; 5]) -> Outcome {
    let (world, _) = host.parts();
    let empty = |held: &Held| matches!(held, Held::Reference { address, .. } if *address == at);
    if let Some(held) = world.held.iter().position(empty) {
        world.held.remove(held);
        return Ok(0);
    }
    let Some(Dynptr {
        target: Target::Record(record),
        ..
    }) = get(host, at)
    else {
        return Err(not(helper, at, Expected::RecordDynptr));
    };
    let (world, _) = host.parts();
    world
        .objects
        .dynptrs
        .retain(|_, dynptr| dynptr.target != Target::Record(record));
    match helper {
        id::RINGBUF_SUBMIT_DYNPTR => super::ring::submit(host, [record, flags, 0, 0, 0]),
        _ => super::ring::discard(host, [record, flags, 0, 0, 0]),
    }
}

pub fn submit_dynptr(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    finish_dynptr(host, id::RINGBUF_SUBMIT_DYNPTR, arguments)
}

pub fn discard_dynptr(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    finish_dynptr(host, id::RINGBUF_DISCARD_DYNPTR, arguments)
}

pub fn timer_init(host: &mut dyn Host, [at, pointer, flags, ..]: [u64; 5]) -> Outcome {
    let number = map(host, id::TIMER_INIT, pointer)?;
    let (world, memory) = host.parts();
    memory.bytes(at, 16)?;
    if !matches!(flags, CLOCK_REALTIME | CLOCK_MONOTONIC | CLOCK_BOOTTIME) {
        return answer(Err(Errno::EINVAL));
    }
    if world.objects.timers.contains_key(&at) {
        return answer(Err(Errno::EBUSY));
    }
    let timer = Timer {
        map: number,
        callback: 0,
        expires: None,
    };
    world.objects.timers.insert(at, timer);
    Ok(0)
}

fn timer(host: &mut dyn Host, at: u64) -> Option<&mut Timer> {
    host.parts().0.objects.timers.get_mut(&at)
}

pub fn timer_set_callback(host: &mut dyn Host, [at, function, ..]: [u64; 5]) -> Outcome {
    match timer(host, at) {
        Some(timer) => {
            timer.callback = function;
            Ok(0)
        }
        None => answer(Err(Errno::EINVAL)),
    }
}

pub fn timer_start(host: &mut dyn Host, [at, after, flags, ..]: [u64; 5]) -> Outcome {
    if flags & !(BPF_F_TIMER_ABS | BPF_F_TIMER_CPU_PIN) != 0 {
        return answer(Err(Errno::EINVAL));
    }
    let now = host.parts().0.now;
    let from = if flags & BPF_F_TIMER_ABS != 0 { 0 } else { now };
    match timer(host, at) {
        Some(timer) if timer.callback != 0 => {
            timer.expires = Some(after.saturating_add(from));
            Ok(0)
        }
        _ => answer(Err(Errno::EINVAL)),
    }
}

pub fn timer_cancel(host: &mut dyn Host, [at, ..]: [u64; 5]) -> Outcome {
    match timer(host, at) {
        Some(timer) => Ok(timer.expires.take().is_some().into()),
        None => answer(Err(Errno::EINVAL)),
    }
}

/// Finds the value that an owner has in a storage, or makes it.
fn storage(
    host: &mut dyn Host,
    helper: u32,
    [pointer, owner, from, flags, _]: [u64; 5],
) -> Outcome {
    const CREATE: u64 = BPF_LOCAL_STORAGE_GET_F_CREATE;
    let number = map(host, helper, pointer)?;
    if owner == 0 || flags & !CREATE != 0 {
        return Ok(0);
    }
    let key = owner_key(host, helper, owner)?;
    let (world, memory) = host.parts();
    let map = &mut world.maps[number as usize];
    if let Some(address) = map.storage_of(&key) {
        return Ok(address);
    }
    if flags & CREATE == 0 {
        return Ok(0);
    }
    let size = map.value_size() as usize;
    let value = match from {
        0 => vec![0; size],
        from => memory.bytes(from, size)?,
    };
    match map.add_storage(memory, &key, &value, BPF_NOEXIST)? {
        Ok(()) => Ok(map.storage_of(&key).unwrap_or(0)),
        Err(_) => Ok(0),
    }
}

/// What stands for an owner in a storage: a socket by its cookie, all else by its address.
fn owner_key(host: &mut dyn Host, helper: u32, owner: u64) -> Result<[u8; 8], Trap> {
    let (world, memory) = host.parts();
    let socket = match helper {
        id::SK_STORAGE_GET | id::SK_STORAGE_DELETE => match world.objects.sockets.get(&owner) {
            Some(at) => Some(*at),
            None if owner == world.running.context => world.running.socket,
            None => None,
        },
        _ => None,
    };
    match socket {
        Some(at) => Ok(world.sockets[at].cookie.to_le_bytes()),
        None => {
            memory.bytes(owner, 1)?;
            // The task that runs has its storage by its number, whatever run it is.
            let is_current = world.objects.task.is_some_and(|task| task.address == owner);
            match is_current {
                true => Ok(u64::from(world.task.pid).to_le_bytes()),
                false => Ok(owner.to_le_bytes()),
            }
        }
    }
}

fn storage_delete(host: &mut dyn Host, helper: u32, [pointer, owner, ..]: [u64; 5]) -> Outcome {
    let number = map(host, helper, pointer)?;
    if owner == 0 {
        return answer(Err(Errno::EINVAL));
    }
    let key = owner_key(host, helper, owner)?;
    let (world, memory) = host.parts();
    answer(
        world.maps[number as usize]
            .remove_storage(memory, &key)?
            .map(|()| 0),
    )
}

macro_rules! storages {
    ($($get:ident $get_id:ident $delete:ident $delete_id:ident)*) => {
        $(
            pub fn $get(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
                storage(host, id::$get_id, arguments)
            }

            pub fn $delete(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
                storage_delete(host, id::$delete_id, arguments)
            }
        )*
    };
}

storages! {
    sk_storage SK_STORAGE_GET sk_storage_delete SK_STORAGE_DELETE
    inode_storage INODE_STORAGE_GET inode_storage_delete INODE_STORAGE_DELETE
    task_storage TASK_STORAGE_GET task_storage_delete TASK_STORAGE_DELETE
    cgrp_storage CGRP_STORAGE_GET cgrp_storage_delete CGRP_STORAGE_DELETE
}

pub fn local_storage(host: &mut dyn Host, [pointer, flags, ..]: [u64; 5]) -> Outcome {
    let number = map(host, id::GET_LOCAL_STORAGE, pointer)?;
    if flags != 0 {
        return Err(misuse(id::GET_LOCAL_STORAGE, Misuse::Flags { flags }));
    }
    let (world, _) = host.parts();
    let cpu = world.cpu;
    let map = &mut world.maps[number as usize];
    let is_storage = matches!(
        map.kind(),
        MapType::CgroupStorage | MapType::PercpuCgroupStorage
    );
    match map.lookup(&[], cpu) {
        Some(address) if is_storage => Ok(address),
        _ => Err(unfit(id::GET_LOCAL_STORAGE, map, Wanted::CgroupStorage)),
    }
}

pub fn drain(host: &mut dyn Host, [pointer, function, context, flags, _]: [u64; 5]) -> Outcome {
    let number = map(host, id::USER_RINGBUF_DRAIN, pointer)?;
    if flags & !(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP) != 0 {
        return answer(Err(Errno::EINVAL));
    }
    // A dynptr for the callback, where it cannot be confused with one of the program's.
    let (_, memory) = host.parts();
    let room = memory.allocate(crate::Kind::Opaque, DYNPTR as u32, 1, Protection::ReadWrite);
    let room = room.map_err(|_| Trap::Memory)?;
    let mut drained = 0;
    loop {
        let (World { maps, .. }, memory) = host.parts();
        let Some(ring) = maps[number as usize].user_ring() else {
            let map = &maps[number as usize];
            return Err(unfit(id::USER_RINGBUF_DRAIN, map, Wanted::UserRingBuffer));
        };
        let Some(bytes) = ring.take_one() else {
            break;
        };
        let block = memory.allocate(
            crate::Kind::RingRecord {
                map: maps[number as usize].name().to_owned(),
            },
            bytes.0.len() as u32,
            1,
            Protection::ReadOnly,
        );
        let block = block.map_err(|_| Trap::Memory)?;
        memory.write_owned(block.address, &bytes.0)?;
        let dynptr = Dynptr {
            target: Target::Memory(block.address),
            offset: 0,
            len: bytes.0.len() as u32,
            read_only: true,
        };
        put(host, room.address, Some(dynptr))?;
        drained += 1;
        let result = host.call_back(function, [room.address, context, 0, 0, 0])?;
        host.parts().1.release(block, crate::Gone::RunOver);
        match result {
            0 => {}
            1 => break,
            returned => {
                return Err(misuse(
                    id::USER_RINGBUF_DRAIN,
                    Misuse::Callback { returned },
                ));
            }
        }
    }
    host.parts().0.objects.dynptrs.remove(&room.address);
    host.parts().1.release(room, crate::Gone::RunOver);
    Ok(drained)
}

pub fn kptr_xchg(host: &mut dyn Host, [at, pointer, ..]: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    let old = memory.u64(at)?;
    let bytes = memory.endian().put_u64(pointer);
    memory.write(at, &bytes)?;
    // What is in the map belongs to the map; what comes out belongs to the program.
    world
        .held
        .retain(|held| !matches!(held, Held::Reference { address, .. } if *address == pointer));
    if old != 0 {
        world.held.push(Held::Reference {
            what: "an object from a map",
            address: old,
        });
    }
    Ok(old)
}
