//! Helpers for maps.

use hachi_asm::helpers::id;
use hachi_obj::MapType;

use super::{Outcome, answer, map, misuse, unfit};
use crate::{Errno, Held, Host, Memory, Misuse, Protection, Trap, Wanted, World};

/// Bytes of the key at this address.
fn key(host: &mut dyn Host, number: u32, address: u64) -> Result<Vec<u8>, Trap> {
    let (world, memory) = host.parts();
    let size = world.maps[number as usize].key_size() as usize;
    Ok(memory.bytes(address, size)?)
}

fn value(host: &mut dyn Host, number: u32, address: u64) -> Result<Vec<u8>, Trap> {
    let (world, memory) = host.parts();
    let size = world.maps[number as usize].value_size() as usize;
    Ok(memory.bytes(address, size)?)
}

pub fn lookup(host: &mut dyn Host, [pointer, at, ..]: [u64; 5]) -> Outcome {
    let number = map(host, id::MAP_LOOKUP_ELEM, pointer)?;
    let (world, memory) = host.parts();
    Ok(match look_up(world, memory, number, at)? {
        Found::Value(address) => address,
        Found::Map(inner) => host.map_pointer(inner),
        Found::Nothing => 0,
    })
}

/// What a lookup finds.
pub enum Found {
    Nothing,
    /// A value at this address.
    Value(u64),
    /// A map of this number.
    Map(u32),
}

/// Looks up the key at an address.
pub fn look_up<M: Memory + ?Sized>(
    world: &mut World,
    memory: &M,
    number: u32,
    at: u64,
) -> Result<Found, Trap> {
    let cpu = world.cpu;
    let found = &mut world.maps[number as usize];
    let size = found.key_size() as usize;
    match found.kind() {
        MapType::LpmTrie => {
            let tries = found.tries();
            world.charge((size * tries) as u64);
        }
        MapType::ArrayOfMaps | MapType::HashOfMaps => {
            let inner = found.inner(&memory.bytes(at, size)?);
            return Ok(inner.map_or(Found::Nothing, Found::Map));
        }
        MapType::PerfEventArray | MapType::ProgArray | MapType::Ringbuf => {
            return Err(unfit(id::MAP_LOOKUP_ELEM, found, Wanted::Values));
        }
        _ => {}
    }
    let found = &mut world.maps[number as usize];
    // Keys are short: no allocation for most.
    let mut room = [0; 64];
    let address = match room.get_mut(..size) {
        Some(room) => {
            memory.read(at, room)?;
            found.lookup(room, cpu)
        }
        None => found.lookup(&memory.bytes(at, size)?, cpu),
    };
    Ok(address.map_or(Found::Nothing, Found::Value))
}

pub fn lookup_percpu(host: &mut dyn Host, [pointer, at, cpu, ..]: [u64; 5]) -> Outcome {
    let number = map(host, id::MAP_LOOKUP_PERCPU_ELEM, pointer)?;
    let key = key(host, number, at)?;
    let (world, _) = host.parts();
    let Some(cpu) = u32::try_from(cpu).ok().filter(|cpu| *cpu < world.cpus) else {
        return Ok(0);
    };
    Ok(world.maps[number as usize].lookup(&key, cpu).unwrap_or(0))
}

pub fn update(host: &mut dyn Host, [pointer, at, from, flags, _]: [u64; 5]) -> Outcome {
    let number = map(host, id::MAP_UPDATE_ELEM, pointer)?;
    let (key, value) = (key(host, number, at)?, value(host, number, from)?);
    let (world, memory) = host.parts();
    let cpu = world.cpu;
    let updated = world.maps[number as usize].update(memory, &key, &value, flags, cpu)?;
    answer(updated.map(|()| 0))
}

pub fn delete(host: &mut dyn Host, [pointer, at, ..]: [u64; 5]) -> Outcome {
    let number = map(host, id::MAP_DELETE_ELEM, pointer)?;
    let key = key(host, number, at)?;
    let (world, memory) = host.parts();
    answer(
        world.maps[number as usize]
            .delete(memory, &key)?
            .map(|()| 0),
    )
}

pub fn push(host: &mut dyn Host, [pointer, from, flags, ..]: [u64; 5]) -> Outcome {
    let number = map(host, id::MAP_PUSH_ELEM, pointer)?;
    let value = value(host, number, from)?;
    let (world, _) = host.parts();
    answer(world.maps[number as usize].push(&value, flags).map(|()| 0))
}

pub fn pop(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    take(host, id::MAP_POP_ELEM, arguments)
}

pub fn peek(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    let number = map(host, id::MAP_PEEK_ELEM, arguments[0])?;
    if host.parts().0.maps[number as usize].kind() == MapType::BloomFilter {
        let value = value(host, number, arguments[1])?;
        let (world, _) = host.parts();
        return answer(world.maps[number as usize].contains(&value).map(|()| 0));
    }
    take(host, id::MAP_PEEK_ELEM, arguments)
}

fn take(host: &mut dyn Host, helper: u32, [pointer, to, ..]: [u64; 5]) -> Outcome {
    let number = map(host, helper, pointer)?;
    let (world, memory) = host.parts();
    let map = &mut world.maps[number as usize];
    let found = match helper {
        id::MAP_POP_ELEM => map.pop(),
        _ => map.peek(),
    };
    match found {
        Ok(value) => {
            memory.write(to, &value)?;
            Ok(0)
        }
        Err(errno) => {
            // The kernel leaves zeros.
            if errno == Errno::ENOENT {
                memory.write(to, &vec![0; map.value_size() as usize])?;
            }
            answer(Err(errno))
        }
    }
}

pub fn for_each(host: &mut dyn Host, [pointer, function, context, flags, _]: [u64; 5]) -> Outcome {
    let number = map(host, id::FOR_EACH_MAP_ELEM, pointer)?;
    if flags != 0 {
        return answer(Err(Errno::EINVAL));
    }
    let (world, memory) = host.parts();
    let keys = world.maps[number as usize].keys();
    world.charge(keys.len() as u64 * 8);
    let (cpu, map) = (world.cpu, &world.maps[number as usize]);
    // The callback may only read the key.
    let room = memory.allocate(
        crate::Kind::MapValue {
            map: map.name().to_owned(),
        },
        map.key_size(),
        1,
        Protection::ReadOnly,
    );
    let room = room.map_err(|_| Trap::Memory)?;
    let mut calls = 0;
    for key in keys {
        let (world, memory) = host.parts();
        let Some(value) = world.maps[number as usize].lookup(&key, cpu) else {
            continue;
        };
        memory.write_owned(room.address, &key)?;
        calls += 1;
        let result = host.call_back(function, [pointer, room.address, value, context, 0])?;
        match result {
            0 => {}
            1 => break,
            returned => return Err(misuse(id::FOR_EACH_MAP_ELEM, Misuse::Callback { returned })),
        }
    }
    host.parts().1.release(room, crate::Gone::RunOver);
    Ok(calls)
}

pub fn spin_lock(host: &mut dyn Host, [address, ..]: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    memory.u32(address)?;
    let held = world
        .held
        .iter()
        .find(|held| matches!(held, Held::Lock { .. }));
    if let Some(Held::Lock { address: other }) = held {
        let what = match *other == address {
            true => Misuse::LockHeld,
            false => Misuse::OtherLockHeld,
        };
        return Err(misuse(id::SPIN_LOCK, what));
    }
    world.held.push(Held::Lock { address });
    Ok(0)
}

pub fn spin_unlock(host: &mut dyn Host, [address, ..]: [u64; 5]) -> Outcome {
    let (world, _) = host.parts();
    let lock = Held::Lock { address };
    match world.held.iter().position(|held| *held == lock) {
        Some(at) => {
            world.held.remove(at);
            Ok(0)
        }
        None => Err(misuse(id::SPIN_UNLOCK, Misuse::LockNotHeld)),
    }
}
