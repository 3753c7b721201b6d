//! Helpers for tracing programs: tasks, stacks, arguments, what iterators write.

use hachi_asm::helpers::id;
use hachi_obj::uapi::{
    BPF_F_FAST_STACK_CMP, BPF_F_REUSE_STACKID, BPF_F_SKIP_FIELD_MASK, BPF_F_USER_STACK,
};

use super::{Outcome, answer, map, print, size, unfit};
use crate::{Errno, Host, Kind, Protection, Trap, Wanted};

/// Bytes of the structure that stands for a task, unless the test gave one.
const TASK: u32 = 16384;

pub fn current_task(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    if let Some(task) = world.objects.task {
        return Ok(task.address);
    }
    if world.task_struct != 0 {
        return Ok(world.task_struct);
    }
    let block = memory.allocate(Kind::Kernel, TASK, 1, Protection::ReadOnly);
    let block = block.map_err(|_| Trap::Memory)?;
    world.objects.task = Some(block);
    Ok(block.address)
}

pub fn ns_pid_tgid(host: &mut dyn Host, [_, _, to, len, _]: [u64; 5]) -> Outcome {
    let len = size(id::GET_NS_CURRENT_PID_TGID, u64::from(len as u32))?;
    let (world, memory) = host.parts();
    let endian = memory.endian();
    if len != 8 {
        memory.write(to, &vec![0; len])?;
        return answer(Err(Errno::EINVAL));
    }
    let bytes = [
        endian.put_u32(world.task.pid),
        endian.put_u32(world.task.tgid),
    ]
    .concat();
    memory.write(to, &bytes)?;
    Ok(0)
}

pub fn ancestor_cgroup(host: &mut dyn Host, [level, ..]: [u64; 5]) -> Outcome {
    let (world, _) = host.parts();
    let level = usize::try_from(level as i32).ok();
    let found = level.and_then(|level| world.ancestors.get(level));
    Ok(found.copied().unwrap_or(0))
}

pub fn classid(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    Ok(host.parts().0.classid.into())
}

pub fn under_cgroup(host: &mut dyn Host, [pointer, index, ..]: [u64; 5]) -> Outcome {
    let number = map(host, id::CURRENT_TASK_UNDER_CGROUP, pointer)?;
    let (world, memory) = host.parts();
    let map = &world.maps[number as usize];
    if index as u32 >= map.max_entries() {
        return answer(Err(Errno::E2BIG));
    }
    let key = memory.endian().put_u32(index as u32);
    let held = map.values(memory, &key)?.pop();
    let id = match held.as_deref().and_then(<[u8]>::first_chunk) {
        Some(bytes) => u64::from(memory.endian().u32(*bytes)),
        None => return answer(Err(Errno::EAGAIN)),
    };
    let under = world.cgroup == id || world.ancestors.contains(&id);
    Ok(under.into())
}

pub fn send_signal(host: &mut dyn Host, [signal, ..]: [u64; 5]) -> Outcome {
    match signal as u32 {
        1..=64 => {
            host.parts().0.signals.push(signal as u32);
            Ok(0)
        }
        _ => answer(Err(Errno::EINVAL)),
    }
}

pub fn argument(host: &mut dyn Host, [_, number, to, ..]: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    match world.running.arguments.get(number as u32 as usize) {
        Some(value) => {
            let bytes = memory.endian().put_u64(*value);
            memory.write(to, &bytes)?;
            Ok(0)
        }
        None => {
            memory.write(to, &[0; 8])?;
            answer(Err(Errno::EINVAL))
        }
    }
}

pub fn result(host: &mut dyn Host, [_, to, ..]: [u64; 5]) -> Outcome {
    let (world, memory) = host.parts();
    match world.running.result {
        Some(value) => {
            let bytes = memory.endian().put_u64(value);
            memory.write(to, &bytes)?;
            Ok(0)
        }
        None => {
            memory.write(to, &[0; 8])?;
            answer(Err(Errno::EOPNOTSUPP))
        }
    }
}

pub fn argument_count(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    Ok(host.parts().0.running.arguments.len() as u64)
}

pub fn attach_cookie(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    Ok(host.parts().0.running.cookie)
}

pub fn function_address(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    Ok(host.parts().0.running.function)
}

pub fn get_retval(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    Ok(host.parts().0.retval as u64)
}

pub fn set_retval(host: &mut dyn Host, [value, ..]: [u64; 5]) -> Outcome {
    let value = i64::from(value as i32);
    // An error, or none.
    if !(-4095..=0).contains(&value) {
        return answer(Err(Errno::EINVAL));
    }
    host.parts().0.retval = value;
    Ok(0)
}

/// Flags of all that reads a stack.
const STACK_FLAGS: u64 = BPF_F_SKIP_FIELD_MASK | BPF_F_USER_STACK;

fn chain(host: &mut dyn Host, flags: u64) -> Vec<u64> {
    let (world, _) = host.parts();
    let all = match flags & BPF_F_USER_STACK {
        0 => &world.kernel_stack,
        _ => &world.user_stack,
    };
    all.iter()
        .skip((flags & BPF_F_SKIP_FIELD_MASK) as usize)
        .copied()
        .collect()
}

pub fn stack_id(host: &mut dyn Host, [_, pointer, flags, ..]: [u64; 5]) -> Outcome {
    let number = map(host, id::GET_STACKID, pointer)?;
    if flags & !(STACK_FLAGS | BPF_F_FAST_STACK_CMP | BPF_F_REUSE_STACKID) != 0 {
        return answer(Err(Errno::EINVAL));
    }
    let chain = chain(host, flags);
    if chain.is_empty() {
        return answer(Err(Errno::EFAULT));
    }
    let (world, _) = host.parts();
    let reuse = flags & BPF_F_REUSE_STACKID != 0;
    match world.maps[number as usize].add_stack(chain, reuse) {
        Some(result) => answer(result.map(u64::from)),
        None => {
            let map = &world.maps[number as usize];
            Err(unfit(id::GET_STACKID, map, Wanted::Stacks))
        }
    }
}

/// Writes addresses into the program's room: how many bytes.
fn copy_stack(host: &mut dyn Host, helper: u32, to: u64, room: u64, flags: u64) -> Outcome {
    let room = size(helper, u64::from(room as u32))?;
    // `BPF_F_USER_BUILD_ID` would take files, which the machine does not have.
    if flags & !STACK_FLAGS != 0 || room % 8 != 0 {
        host.parts().1.write(to, &vec![0; room])?;
        return answer(Err(Errno::EINVAL));
    }
    let chain = chain(host, flags);
    let (_, memory) = host.parts();
    let endian = memory.endian();
    let bytes: Vec<u8> = chain
        .iter()
        .take(room / 8)
        .flat_map(|address| endian.put_u64(*address))
        .collect();
    let len = bytes.len();
    let mut padded = bytes;
    padded.resize(room, 0);
    memory.write(to, &padded)?;
    match len {
        0 => answer(Err(Errno::EFAULT)),
        len => Ok(len as u64),
    }
}

pub fn stack(host: &mut dyn Host, [_, to, room, flags, _]: [u64; 5]) -> Outcome {
    copy_stack(host, id::GET_STACK, to, room, flags)
}

pub fn task_stack(host: &mut dyn Host, [_, to, room, flags, _]: [u64; 5]) -> Outcome {
    copy_stack(host, id::GET_TASK_STACK, to, room, flags)
}

pub fn seq_write(host: &mut dyn Host, [_, from, len, ..]: [u64; 5]) -> Outcome {
    let len = size(id::SEQ_WRITE, u64::from(len as u32))?;
    let (world, memory) = host.parts();
    let bytes = memory.bytes(from, len)?;
    world.sequence.extend(bytes);
    Ok(0)
}

pub fn seq_printf(host: &mut dyn Host, [_, format, len, data, data_len]: [u64; 5]) -> Outcome {
    let len = size(id::SEQ_PRINTF, u64::from(len as u32))?;
    match print::formatted(host, format, len, data, data_len)? {
        Ok(text) => {
            host.parts().0.sequence.extend(text);
            Ok(0)
        }
        Err(errno) => answer(Err(errno)),
    }
}

fn counter(host: &mut dyn Host, helper: u32, to: u64, len: u64) -> Outcome {
    let len = size(helper, u64::from(len as u32))?;
    let (world, memory) = host.parts();
    let endian = memory.endian();
    if len != 24 {
        memory.write(to, &vec![0; len])?;
        return answer(Err(Errno::EINVAL));
    }
    let (value, enabled, running) = world.counter;
    let bytes = [value, enabled, running].map(|number| endian.put_u64(number));
    memory.write(to, &bytes.concat())?;
    Ok(0)
}

pub fn perf_prog_read_value(host: &mut dyn Host, [_, to, len, ..]: [u64; 5]) -> Outcome {
    counter(host, id::PERF_PROG_READ_VALUE, to, len)
}

pub fn perf_event_read_value(host: &mut dyn Host, [pointer, _, to, len, _]: [u64; 5]) -> Outcome {
    map(host, id::PERF_EVENT_READ_VALUE, pointer)?;
    counter(host, id::PERF_EVENT_READ_VALUE, to, len)
}

pub fn perf_event_read(host: &mut dyn Host, [pointer, ..]: [u64; 5]) -> Outcome {
    map(host, id::PERF_EVENT_READ, pointer)?;
    Ok(host.parts().0.counter.0)
}
