//! Functions of the kernel that programs call by name (kfuncs).
//!
//! One that is not here stops the program with its name ([`Trap::MissingKfunc`]), unless the test
//! supplied one by [`World::supply_kfunc`](crate::World::supply_kfunc).

use crate::helpers::{Outcome, objects};
use crate::objects::{Dynptr, Iterator, Target};
use crate::{Block, Errno, Expected, Gone, Held, Host, Kind, Misuse, Protection, Trap, World};

type Function = fn(&mut dyn Host, [u64; 5]) -> Outcome;

/// Calls a function of the kernel for the program that runs on `host`.
///
/// # Errors
/// [`Trap`], for calls that the kernel's verifier would not allow, and for functions that are not
/// here.
pub fn call(host: &mut dyn Host, name: &str, arguments: [u64; 5]) -> Outcome {
    let (world, _) = host.parts();
    if let Some(supplied) = world.supplied.of_kfunc(name) {
        return supplied(host, arguments);
    }
    let Some(function) = function(name) else {
        return Err(Trap::MissingKfunc {
            name: name.to_owned(),
        });
    };
    let is_lock = |held: &Held| matches!(held, Held::Lock { .. });
    if world.held.iter().any(is_lock) && !allowed_while_locked(name) {
        return Err(Trap::Locked {
            name: name.to_owned(),
        });
    }
    function(host, arguments)
}

/// Whether a function is here.
pub fn is_here(name: &str) -> bool {
    function(name).is_some()
}

fn misuse(name: &str, misuse: Misuse) -> Trap {
    Trap::MisusedKfunc {
        name: name.to_owned(),
        misuse,
    }
}

/// An argument is not what it has to be.
fn not(name: &str, value: u64, expected: Expected) -> Trap {
    misuse(name, Misuse::Argument { value, expected })
}

fn error(errno: Errno) -> Outcome {
    Ok(errno.result())
}

/// What the kernel returns, as an `int`.
fn done(result: Result<(), Errno>) -> Outcome {
    Ok(result.map_or_else(Errno::result, |()| 0))
}

fn function(name: &str) -> Option<Function> {
    Some(match name {
        "bpf_dynptr_from_skb" | "bpf_dynptr_from_xdp" => from_packet,
        "bpf_dynptr_slice" => dynptr_slice,
        "bpf_dynptr_slice_rdwr" => dynptr_slice_rdwr,
        "bpf_dynptr_size" => dynptr_size,
        "bpf_dynptr_is_null" => dynptr_is_null,
        "bpf_dynptr_is_rdonly" => dynptr_is_rdonly,
        "bpf_dynptr_adjust" => dynptr_adjust,
        "bpf_dynptr_clone" => dynptr_clone,
        "bpf_dynptr_copy" => dynptr_copy,
        "bpf_dynptr_memset" => dynptr_memset,
        "bpf_iter_num_new" => num_new,
        "bpf_iter_num_next" => num_next,
        "bpf_iter_num_destroy" => num_destroy,
        "bpf_rcu_read_lock" => |host, _| enter(host, "RCU read-side"),
        "bpf_rcu_read_unlock" => |host, _| leave(host, "RCU read-side", "bpf_rcu_read_unlock"),
        "bpf_preempt_disable" => |host, _| enter(host, "without preemption"),
        "bpf_preempt_enable" => |host, _| leave(host, "without preemption", "bpf_preempt_enable"),
        "bpf_local_irq_save" => irq_save,
        "bpf_local_irq_restore" => {
            |host, _| leave(host, "without interrupts", "bpf_local_irq_restore")
        }
        "bpf_res_spin_lock" | "bpf_res_spin_lock_irqsave" => res_lock,
        "bpf_res_spin_unlock" | "bpf_res_spin_unlock_irqrestore" => res_unlock,
        "bpf_task_acquire" => |host, a| acquire(host, a, "a task"),
        "bpf_cgroup_acquire" => |host, a| acquire(host, a, "a cgroup"),
        "bpf_task_from_pid" => task_from_pid,
        "bpf_task_from_vpid" => task_from_pid,
        "bpf_task_release" => |host, a| release(host, a, "bpf_task_release"),
        "bpf_cgroup_release" => |host, a| release(host, a, "bpf_cgroup_release"),
        "bpf_cast_to_kern_ctx" | "bpf_rdonly_cast" => |_, [pointer, ..]| Ok(pointer),
        "bpf_cpumask_create" => mask_create,
        "bpf_cpumask_acquire" => mask_acquire,
        "bpf_cpumask_release" => mask_release,
        "bpf_cpumask_set_cpu" => |host, [cpu, at, ..]| mask_change(host, at, cpu, true),
        "bpf_cpumask_clear_cpu" => |host, [cpu, at, ..]| mask_change(host, at, cpu, false),
        "bpf_cpumask_test_cpu" => |host, [cpu, at, ..]| {
            Ok((mask(host, at)? >> (cpu as u32 & 63) & 1) * u64::from(cpu as u32 <= 63))
        },
        "bpf_cpumask_test_and_set_cpu" => |host, [cpu, at, ..]| {
            let old = mask(host, at)? >> (cpu as u32 & 63) & 1;
            mask_change(host, at, cpu, true)?;
            Ok(old)
        },
        "bpf_cpumask_test_and_clear_cpu" => |host, [cpu, at, ..]| {
            let old = mask(host, at)? >> (cpu as u32 & 63) & 1;
            mask_change(host, at, cpu, false)?;
            Ok(old)
        },
        "bpf_cpumask_setall" => |host, [at, ..]| {
            let all = all_cpus(host);
            set_mask(host, at, all)
        },
        "bpf_cpumask_clear" => |host, [at, ..]| set_mask(host, at, 0),
        "bpf_cpumask_copy" => |host, [to, from, ..]| {
            let value = mask(host, from)?;
            set_mask(host, to, value)
        },
        "bpf_cpumask_and" => |host, a| mask_combine(host, a, |a, b| a & b),
        "bpf_cpumask_or" => |host, a| mask_combine(host, a, |a, b| a | b).map(|_| 0),
        "bpf_cpumask_xor" => |host, a| mask_combine(host, a, |a, b| a ^ b).map(|_| 0),
        "bpf_cpumask_equal" => |host, a| mask_compare(host, a, |a, b| a == b),
        "bpf_cpumask_intersects" => |host, a| mask_compare(host, a, |a, b| a & b != 0),
        "bpf_cpumask_subset" => |host, a| mask_compare(host, a, |a, b| a & !b == 0),
        "bpf_cpumask_empty" => |host, [at, ..]| Ok((mask(host, at)? == 0).into()),
        "bpf_cpumask_full" => |host, [at, ..]| {
            let all = all_cpus(host);
            Ok((mask(host, at)? & all == all).into())
        },
        "bpf_cpumask_weight" => |host, [at, ..]| Ok(mask(host, at)?.count_ones().into()),
        "bpf_cpumask_first" | "bpf_cpumask_any_distribute" => |host, [at, ..]| {
            let (value, cpus) = (mask(host, at)?, host.parts().0.cpus);
            Ok(value.trailing_zeros().min(cpus).into())
        },
        "bpf_cpumask_first_zero" => |host, [at, ..]| {
            let (value, cpus) = (mask(host, at)?, host.parts().0.cpus);
            Ok(value.trailing_ones().min(cpus).into())
        },
        "bpf_cpumask_first_and" | "bpf_cpumask_any_and_distribute" => |host, [a, b, ..]| {
            let (value, cpus) = (mask(host, a)? & mask(host, b)?, host.parts().0.cpus);
            Ok(value.trailing_zeros().min(cpus).into())
        },
        "bpf_session_is_return" => |host, _| Ok(host.parts().0.running.result.is_some().into()),
        "bpf_session_cookie" => session_cookie,
        "bpf_get_smp_processor_id" => |host, _| Ok(host.parts().0.cpu.into()),
        "bpf_xdp_metadata_rx_timestamp"
        | "bpf_xdp_metadata_rx_hash"
        | "bpf_xdp_metadata_rx_vlan_tag" => |_, _| error(Errno::EOPNOTSUPP),
        name if name.starts_with("bpf_str") => return text_function(name),
        "bpf_arena_alloc_pages" => arena_alloc,
        "bpf_arena_free_pages" => |_, _| Ok(0),
        _ => return None,
    })
}

/// Functions on text. Positions count from 0; what is not found is `-ENOENT`.
fn text_function(name: &str) -> Option<Function> {
    Some(match name {
        "bpf_strlen" => |host, [at, ..]| said(text(host, at, ALL).map(|t| t.len() as u64)),
        "bpf_strnlen" => |host, [at, most, ..]| said(text(host, at, most).map(|t| t.len() as u64)),
        "bpf_strcmp" => |host, [a, b, ..]| said(compare_text(host, a, b, ALL, u8::cmp)),
        "bpf_strcasecmp" => |host, [a, b, ..]| said(compare_text(host, a, b, ALL, cmp_lower)),
        "bpf_strncasecmp" => {
            |host, [a, b, most, ..]| said(compare_text(host, a, b, most, cmp_lower))
        }
        "bpf_strchr" => |host, [at, wanted, ..]| said(find_byte(host, at, ALL, wanted)),
        "bpf_strnchr" => |host, [at, most, wanted, ..]| said(find_byte(host, at, most, wanted)),
        "bpf_strchrnul" => |host, [at, wanted, ..]| {
            said(text(host, at, ALL).map(|text| {
                let found = text.iter().position(|byte| *byte == wanted as u8);
                found.unwrap_or(text.len()) as u64
            }))
        },
        "bpf_strrchr" => |host, [at, wanted, ..]| {
            said(text(host, at, ALL).and_then(|text| {
                position(match wanted as u8 {
                    0 => Some(text.len()),
                    wanted => text.iter().rposition(|byte| *byte == wanted),
                })
            }))
        },
        "bpf_strstr" => |host, [at, part, ..]| said(find_text(host, at, part, ALL, u8::cmp)),
        "bpf_strcasestr" => |host, [at, part, ..]| said(find_text(host, at, part, ALL, cmp_lower)),
        "bpf_strnstr" => {
            |host, [at, part, most, ..]| said(find_text(host, at, part, most, u8::cmp))
        }
        "bpf_strncasestr" => {
            |host, [at, part, most, ..]| said(find_text(host, at, part, most, cmp_lower))
        }
        "bpf_strspn" => |host, [at, set, ..]| said(span_of(host, at, set, true)),
        "bpf_strcspn" => |host, [at, set, ..]| said(span_of(host, at, set, false)),
        _ => return None,
    })
}

/// No limit of the program's own.
const ALL: u64 = u64::MAX;

type Order = fn(&u8, &u8) -> std::cmp::Ordering;

fn said(result: Result<u64, Errno>) -> Outcome {
    Ok(result.unwrap_or_else(Errno::result))
}

fn cmp_lower(a: &u8, b: &u8) -> std::cmp::Ordering {
    a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase())
}

fn position(found: Option<usize>) -> Result<u64, Errno> {
    found.map(|at| at as u64).ok_or(Errno::ENOENT)
}

fn compare_text(
    host: &mut dyn Host,
    a: u64,
    b: u64,
    most: u64,
    order: Order,
) -> Result<u64, Errno> {
    let (a, b) = (text(host, a, most)?, text(host, b, most)?);
    let mut differs = a.iter().zip(&b).map(|(a, b)| order(a, b));
    let first = differs.find(|order| order.is_ne());
    let order = first.unwrap_or_else(|| a.len().cmp(&b.len()));
    Ok(order as i64 as u64)
}

fn find_byte(host: &mut dyn Host, at: u64, most: u64, wanted: u64) -> Result<u64, Errno> {
    let text = text(host, at, most)?;
    position(match wanted as u8 {
        0 if (text.len() as u64) < most => Some(text.len()),
        wanted => text.iter().position(|byte| *byte == wanted),
    })
}

fn find_text(
    host: &mut dyn Host,
    at: u64,
    part: u64,
    most: u64,
    order: Order,
) -> Result<u64, Errno> {
    let (text, part) = (text(host, at, most)?, text(host, part, ALL)?);
    let same = |window: &[u8]| window.iter().zip(&part).all(|(a, b)| order(a, b).is_eq());
    position(match part.len() {
        0 => Some(0),
        len => text.windows(len).position(same),
    })
}

/// How many bytes at the start of a text are in a set, or are not.
fn span_of(host: &mut dyn Host, at: u64, set: u64, inside: bool) -> Result<u64, Errno> {
    let (text, set) = (text(host, at, ALL)?, text(host, set, ALL)?);
    let count = text.iter().take_while(|byte| set.contains(byte) == inside);
    Ok(count.count() as u64)
}

/// Text up to its NUL, or the first `most` bytes of it.
fn text(host: &mut dyn Host, at: u64, most: u64) -> Result<Vec<u8>, Errno> {
    /// `XATTR_SIZE_MAX`
    const LONGEST: u64 = 65536;
    if at < 4096 {
        return Err(Errno::ERANGE);
    }
    let (_, memory) = host.parts();
    let mut text = Vec::new();
    for offset in 0..most {
        if offset >= LONGEST {
            return Err(Errno::E2BIG);
        }
        let mut byte = [0];
        let read = memory.read(at.wrapping_add(offset), &mut byte);
        read.map_err(|_| Errno::EFAULT)?;
        if byte[0] == 0 {
            break;
        }
        text.push(byte[0]);
    }
    Ok(text)
}

fn from_packet(host: &mut dyn Host, [ctx, flags, at, ..]: [u64; 5]) -> Outcome {
    let (world, _) = host.parts();
    // A netfilter program has the socket buffer, not a context with it.
    let is_packet = ctx == world.running.context || world.running.packet_pointer == Some(ctx);
    let packet = world.packet.filter(|_| is_packet);
    let Some(packet) = packet else {
        return Err(not("bpf_dynptr_from_skb", ctx, Expected::Context));
    };
    if flags != 0 {
        objects::put(host, at, None)?;
        return error(Errno::EINVAL);
    }
    let dynptr = Dynptr {
        target: Target::Packet,
        offset: 0,
        len: packet.total_len(),
        read_only: !packet.is_writable(),
    };
    objects::put(host, at, Some(dynptr))?;
    Ok(0)
}

fn slice(host: &mut dyn Host, [at, offset, buffer, len, _]: [u64; 5], write: bool) -> Outcome {
    let (offset, len) = (u64::from(offset as u32), u64::from(len as u32));
    if let Some(address) = objects::slice(host, at, offset, len, write) {
        return Ok(address);
    }
    // Bytes that are not one stretch are copied, if there is a buffer for them.
    let read_only = objects::get(host, at).is_none_or(|dynptr| dynptr.read_only);
    if buffer == 0 || write && read_only {
        return Ok(0);
    }
    match objects::read_part(host, at, offset, len as usize)? {
        Ok(bytes) => {
            host.parts().1.write(buffer, &bytes)?;
            Ok(buffer)
        }
        Err(_) => Ok(0),
    }
}

fn dynptr_slice(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    slice(host, arguments, false)
}

fn dynptr_slice_rdwr(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    slice(host, arguments, true)
}

fn dynptr_size(host: &mut dyn Host, [at, ..]: [u64; 5]) -> Outcome {
    match objects::get(host, at) {
        Some(dynptr) => Ok(dynptr.len.into()),
        None => error(Errno::EINVAL),
    }
}

fn dynptr_is_null(host: &mut dyn Host, [at, ..]: [u64; 5]) -> Outcome {
    Ok(objects::get(host, at).is_none().into())
}

fn dynptr_is_rdonly(host: &mut dyn Host, [at, ..]: [u64; 5]) -> Outcome {
    let read_only = objects::get(host, at).is_some_and(|dynptr| dynptr.read_only);
    Ok(read_only.into())
}

fn dynptr_adjust(host: &mut dyn Host, [at, start, end, ..]: [u64; 5]) -> Outcome {
    let (start, end) = (start as u32, end as u32);
    let Some(mut dynptr) = objects::get(host, at) else {
        return error(Errno::EINVAL);
    };
    if start > end {
        return error(Errno::EINVAL);
    }
    if end > dynptr.len {
        return error(Errno::ERANGE);
    }
    dynptr.offset += start;
    dynptr.len = end - start;
    host.parts().0.objects.dynptrs.insert(at, dynptr);
    Ok(0)
}

fn dynptr_clone(host: &mut dyn Host, [from, to, ..]: [u64; 5]) -> Outcome {
    let dynptr = objects::get(host, from);
    objects::put(host, to, dynptr)?;
    done(dynptr.map(|_| ()).ok_or(Errno::EINVAL))
}

fn dynptr_copy(host: &mut dyn Host, [to, to_offset, from, offset, len]: [u64; 5]) -> Outcome {
    match objects::read_part(host, from, offset, len.min(1 << 24) as usize)? {
        Ok(bytes) => done(objects::write_part(host, to, to_offset, &bytes)?),
        Err(errno) => error(errno),
    }
}

fn dynptr_memset(host: &mut dyn Host, [at, offset, len, value, _]: [u64; 5]) -> Outcome {
    let bytes = vec![value as u8; len.min(1 << 24) as usize];
    done(objects::write_part(host, at, offset, &bytes)?)
}

fn num_new(host: &mut dyn Host, [at, start, end, ..]: [u64; 5]) -> Outcome {
    /// `BPF_MAX_LOOPS`
    const MOST: i64 = 8 << 20;
    let (start, end) = (i64::from(start as i32), i64::from(end as i32));
    let (world, memory) = host.parts();
    memory.write(at, &[0; 8])?;
    let room = memory.allocate(Kind::Opaque, 4, 1, Protection::ReadOnly);
    let room = room.map_err(|_| Trap::Memory)?;
    let result = match (start > end, end - start > MOST) {
        (true, _) => Err(Errno::EINVAL),
        (_, true) => Err(Errno::E2BIG),
        _ => Ok(()),
    };
    let (next, end) = if result.is_ok() { (start, end) } else { (0, 0) };
    let iterator = Iterator {
        next,
        end,
        room: room.address,
    };
    world.objects.iterators.insert(at, iterator);
    world.held.push(Held::Reference {
        what: "an iterator",
        address: at,
    });
    done(result)
}

fn num_next(host: &mut dyn Host, [at, ..]: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    let endian = memory.endian();
    let Some(iterator) = world.objects.iterators.get_mut(&at) else {
        return Err(not("bpf_iter_num_next", at, Expected::Iterator));
    };
    if iterator.next >= iterator.end {
        return Ok(0);
    }
    memory.write_owned(iterator.room, &endian.put_u32(iterator.next as u32))?;
    iterator.next += 1;
    Ok(iterator.room)
}

fn num_destroy(host: &mut dyn Host, [at, ..]: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    match world.objects.iterators.remove(&at) {
        Some(iterator) => {
            let block = Block {
                address: iterator.room,
                stride: 4,
            };
            memory.release(block, Gone::Released);
            give_back(world, at, "bpf_iter_num_destroy")
        }
        None => Err(not("bpf_iter_num_destroy", at, Expected::Iterator)),
    }
}

fn enter(host: &mut dyn Host, what: &'static str) -> Outcome {
    host.parts().0.held.push(Held::Section { what });
    Ok(0)
}

fn leave(host: &mut dyn Host, what: &'static str, name: &str) -> Outcome {
    let (world, _) = host.parts();
    let is_it = |held: &Held| matches!(held, Held::Section { what: of } if *of == what);
    match world.held.iter().rposition(is_it) {
        Some(at) => {
            world.held.remove(at);
            Ok(0)
        }
        None => Err(misuse(name, Misuse::NotInSection { what })),
    }
}

/// What may be called while a spin lock is held: what works on lists and trees.
fn allowed_while_locked(name: &str) -> bool {
    name.starts_with("bpf_res_spin_")
        || name.starts_with("bpf_list_")
        || name.starts_with("bpf_rbtree_")
        || name.starts_with("bpf_refcount_")
        || name.starts_with("bpf_iter_num_")
}

/// Takes a lock that finds out when it would wait for itself.
fn res_lock(host: &mut dyn Host, [address, ..]: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    memory.u32(address)?;
    let held = Held::ResilientLock { address };
    if world.held.contains(&held) {
        return error(Errno::EDEADLK);
    }
    world.held.push(held);
    Ok(0)
}

fn res_unlock(host: &mut dyn Host, [address, ..]: [u64; 5]) -> Outcome {
    let (world, _) = host.parts();
    let lock = Held::ResilientLock { address };
    match world.held.iter().rposition(|held| *held == lock) {
        Some(at) => {
            world.held.remove(at);
            Ok(0)
        }
        None => Err(misuse("bpf_res_spin_unlock", Misuse::LockNotHeld)),
    }
}

/// Where a session program keeps a number: written back when the run is over.
fn session_cookie(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    if let Some(at) = world.objects.cookie {
        return Ok(at);
    }
    let block = memory.allocate(Kind::Opaque, 8, 1, Protection::ReadWrite);
    let block = block.map_err(|_| Trap::Memory)?;
    let bytes = memory.endian().put_u64(world.session_cookie);
    memory.write(block.address, &bytes)?;
    world.objects.cookie = Some(block.address);
    Ok(block.address)
}

fn irq_save(host: &mut dyn Host, [at, ..]: [u64; 5]) -> Outcome {
    host.parts().1.write(at, &[0; 8])?;
    enter(host, "without interrupts")
}

fn acquire(host: &mut dyn Host, [address, ..]: [u64; 5], what: &'static str) -> Outcome {
    let (world, memory) = host.parts();
    if address == 0 {
        return Ok(0);
    }
    memory.bytes(address, 1)?;
    world.held.push(Held::Reference { what, address });
    Ok(address)
}

fn give_back(world: &mut World, address: u64, name: &str) -> Outcome {
    let is_it = |held: &Held| matches!(held, Held::Reference { address: of, .. } if *of == address);
    match world.held.iter().rposition(is_it) {
        Some(at) => {
            world.held.remove(at);
            Ok(0)
        }
        None => Err(not(name, address, Expected::Reference)),
    }
}

fn release(host: &mut dyn Host, [address, ..]: [u64; 5], name: &str) -> Outcome {
    give_back(host.parts().0, address, name)
}

fn task_from_pid(host: &mut dyn Host, [pid, ..]: [u64; 5]) -> Outcome {
    let (world, _) = host.parts();
    if world.task.pid != pid as u32 {
        return Ok(0);
    }
    let task = crate::helpers::current_task(host)?;
    acquire(host, [task, 0, 0, 0, 0], "a task")
}

fn all_cpus(host: &mut dyn Host) -> u64 {
    match host.parts().0.cpus {
        64.. => u64::MAX,
        cpus => (1 << cpus) - 1,
    }
}

/// The bits of a mask: the first 64 CPUs.
fn mask(host: &mut dyn Host, at: u64) -> Result<u64, Trap> {
    Ok(host.parts().1.u64(at)?)
}

fn set_mask(host: &mut dyn Host, at: u64, value: u64) -> Outcome {
    let (world, memory) = host.parts();
    if !world.objects.masks.contains_key(&at) {
        // Says what became of one that is gone.
        memory.bytes(at, 8)?;
        return Err(not("bpf_cpumask_set_cpu", at, Expected::OwnMask));
    }
    let bytes = memory.endian().put_u64(value);
    memory.write_owned(at, &bytes)?;
    Ok(0)
}

fn mask_change(host: &mut dyn Host, at: u64, cpu: u64, set: bool) -> Outcome {
    let (value, cpus) = (mask(host, at)?, host.parts().0.cpus);
    let cpu = cpu as u32;
    if cpu >= cpus.min(64) {
        return Ok(0);
    }
    let value = match set {
        true => value | 1 << cpu,
        false => value & !(1 << cpu),
    };
    set_mask(host, at, value)
}

fn mask_combine(
    host: &mut dyn Host,
    [to, a, b, ..]: [u64; 5],
    combine: fn(u64, u64) -> u64,
) -> Outcome {
    let value = combine(mask(host, a)?, mask(host, b)?);
    set_mask(host, to, value)?;
    Ok((value != 0).into())
}

fn mask_compare(
    host: &mut dyn Host,
    [a, b, ..]: [u64; 5],
    compare: fn(u64, u64) -> bool,
) -> Outcome {
    Ok(compare(mask(host, a)?, mask(host, b)?).into())
}

fn mask_create(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    // As large as the kernel's for 8,192 CPUs.
    let block = memory.allocate(Kind::Kernel, 1024, 1, Protection::ReadOnly);
    let block = block.map_err(|_| Trap::Memory)?;
    world.objects.masks.insert(block.address, 1);
    world.held.push(Held::Reference {
        what: "a CPU mask",
        address: block.address,
    });
    Ok(block.address)
}

fn mask_acquire(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    if let Some(count) = host.parts().0.objects.masks.get_mut(&arguments[0]) {
        *count += 1;
    }
    acquire(host, arguments, "a CPU mask")
}

fn mask_release(host: &mut dyn Host, [at, ..]: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    give_back(world, at, "bpf_cpumask_release")?;
    if let Some(count) = world.objects.masks.get_mut(&at) {
        *count -= 1;
        if *count == 0 {
            world.objects.masks.remove(&at);
            let block = Block {
                address: at,
                stride: 1,
            };
            memory.release(block, Gone::Released);
        }
    }
    Ok(0)
}

fn arena_alloc(host: &mut dyn Host, [pointer, at, pages, _, flags]: [u64; 5]) -> Outcome {
    const PAGE: u64 = 4096;
    let found = host.map_at(pointer);
    let (world, _) = host.parts();
    let arena = found.and_then(|number| {
        let map = world.maps.get(number as usize)?;
        let block = map.direct_value()?;
        let is_arena = map.kind() == hachi_obj::MapType::Arena;
        is_arena.then(|| (number, block.address, u64::from(map.max_entries()) * PAGE))
    });
    let Some((number, base, size)) = arena else {
        return Err(not("bpf_arena_alloc_pages", pointer, Expected::Arena));
    };
    let pages = u64::from(pages as u32);
    if flags != 0 || pages == 0 {
        return Ok(0);
    }
    // The first page stays free, so that no pointer is null. Pages are not used again.
    let next = world.objects.arenas.entry(number).or_insert(PAGE);
    let start = match at as u32 {
        0 => *next,
        at => u64::from(at),
    };
    let end = start + pages * PAGE;
    if end > size {
        return Ok(0);
    }
    *next = end.max(*next);
    Ok(base | start)
}
