//! Time, CPUs, tasks.

use hachi_asm::helpers::id;

use super::{Outcome, answer, misuse, size};
use crate::{Errno, Host, Misuse};

/// Ticks of the kernel's own clock in a second (`CONFIG_HZ`).
const HZ: u64 = 250;
/// The kernel counts from five minutes before the machine starts.
const INITIAL_JIFFIES: u64 = 0xffff_ffff - 300 * HZ + 1;
/// Iterations that `bpf_loop` allows: `BPF_MAX_LOOPS`.
const MAX_LOOPS: u64 = 8 << 20;

pub fn ktime(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    Ok(host.parts().0.read_clock())
}

pub fn ktime_tai(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    let (world, _) = host.parts();
    Ok(world.read_clock().wrapping_add(world.epoch))
}

pub fn jiffies(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    Ok(INITIAL_JIFFIES + host.parts().0.read_clock() / (1_000_000_000 / HZ))
}

pub fn random(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    Ok(host.parts().0.random.next_u32().into())
}

pub fn cpu(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    Ok(host.parts().0.cpu.into())
}

pub fn zero(_: &mut dyn Host, _: [u64; 5]) -> Outcome {
    Ok(0)
}

pub fn pid_tgid(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    let task = &host.parts().0.task;
    Ok(u64::from(task.tgid) << 32 | u64::from(task.pid))
}

pub fn uid_gid(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    let task = &host.parts().0.task;
    Ok(u64::from(task.gid) << 32 | u64::from(task.uid))
}

pub fn comm(host: &mut dyn Host, [to, room, ..]: [u64; 5]) -> Outcome {
    let room = size(id::GET_CURRENT_COMM, room)?;
    let (world, memory) = host.parts();
    let mut name = world.task.comm.clone().into_bytes();
    // `TASK_COMM_LEN`, then what the program has room for, with a NUL at the end of each.
    name.truncate(15.min(room.saturating_sub(1)));
    name.resize(room, 0);
    memory.write(to, &name)?;
    Ok(0)
}

pub fn cgroup(host: &mut dyn Host, _: [u64; 5]) -> Outcome {
    Ok(host.parts().0.cgroup)
}

pub fn repeat(host: &mut dyn Host, [times, function, context, flags, _]: [u64; 5]) -> Outcome {
    let times = u64::from(times as u32);
    if flags != 0 {
        return answer(Err(Errno::EINVAL));
    }
    if times > MAX_LOOPS {
        return answer(Err(Errno::E2BIG));
    }
    for turn in 0..times {
        match host.call_back(function, [turn, context, 0, 0, 0])? {
            0 => {}
            1 => return Ok(turn + 1),
            returned => return Err(misuse(id::LOOP, Misuse::Callback { returned })),
        }
    }
    Ok(times)
}
