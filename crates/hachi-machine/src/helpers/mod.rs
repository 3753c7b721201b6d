//! The kernel's helpers, by number.
//!
//! The table is `codegen/helpers.tsv`; this is what they do. One that is not here stops the program
//! with its name ([`Trap::Missing`]): no helper answers what it does not know.

mod maps;
mod memory;
mod packet;
mod print;
mod ring;
mod system;

use hachi_asm::helpers::{self, id};

use crate::{Errno, Host, Trap};

/// The result of a helper: what it returns, or why the program cannot go on.
pub type Outcome = Result<u64, Trap>;

/// What each helper is made as.
type Function = fn(&mut dyn Host, [u64; 5]) -> Outcome;

/// Calls a helper for the program that runs on `host`.
///
/// Tail calls and all else that changes how the program goes on are up to what runs it.
///
/// # Errors
/// [`Trap`], for calls that the kernel's verifier would not allow, and for helpers that are not
/// here.
pub fn call(host: &mut dyn Host, helper: u32, arguments: [u64; 5]) -> Outcome {
    match function(helper) {
        Some(function) => function(host, arguments),
        None if helpers::by_id(helper).is_none() => Err(Trap::NoSuchHelper {
            helper: helper as i32,
        }),
        None => Err(Trap::Missing { helper }),
    }
}

/// Whether a helper is here.
pub fn is_here(helper: u32) -> bool {
    function(helper).is_some()
}

fn function(helper: u32) -> Option<Function> {
    Some(match helper {
        id::MAP_LOOKUP_ELEM => maps::lookup,
        id::MAP_UPDATE_ELEM => maps::update,
        id::MAP_DELETE_ELEM => maps::delete,
        id::MAP_PUSH_ELEM => maps::push,
        id::MAP_POP_ELEM => maps::pop,
        id::MAP_PEEK_ELEM => maps::peek,
        id::MAP_LOOKUP_PERCPU_ELEM => maps::lookup_percpu,
        id::FOR_EACH_MAP_ELEM => maps::for_each,
        id::SPIN_LOCK => maps::spin_lock,
        id::SPIN_UNLOCK => maps::spin_unlock,
        id::LOOP => system::repeat,
        id::KTIME_GET_NS => system::ktime,
        id::KTIME_GET_BOOT_NS => system::ktime,
        id::KTIME_GET_COARSE_NS => system::ktime,
        id::KTIME_GET_TAI_NS => system::ktime_tai,
        id::JIFFIES64 => system::jiffies,
        id::GET_PRANDOM_U32 => system::random,
        id::GET_SMP_PROCESSOR_ID => system::cpu,
        id::GET_NUMA_NODE_ID => system::zero,
        id::GET_CURRENT_PID_TGID => system::pid_tgid,
        id::GET_CURRENT_UID_GID => system::uid_gid,
        id::GET_CURRENT_COMM => system::comm,
        id::GET_CURRENT_CGROUP_ID => system::cgroup,
        id::PER_CPU_PTR | id::THIS_CPU_PTR => return None,
        id::PROBE_READ | id::PROBE_READ_KERNEL | id::PROBE_READ_USER => memory::probe_read,
        id::PROBE_READ_STR | id::PROBE_READ_KERNEL_STR | id::PROBE_READ_USER_STR => {
            memory::probe_read_str
        }
        id::STRNCMP => memory::strncmp,
        id::STRTOL => memory::strtol,
        id::STRTOUL => memory::strtoul,
        id::CSUM_DIFF => memory::csum_diff,
        id::TRACE_PRINTK => print::trace_printk,
        id::TRACE_VPRINTK => print::trace_vprintk,
        id::SNPRINTF => print::snprintf,
        id::RINGBUF_RESERVE => ring::reserve,
        id::RINGBUF_SUBMIT => ring::submit,
        id::RINGBUF_DISCARD => ring::discard,
        id::RINGBUF_OUTPUT => ring::output,
        id::RINGBUF_QUERY => ring::query,
        id::PERF_EVENT_OUTPUT => ring::perf_event_output,
        id::XDP_ADJUST_HEAD => packet::adjust_head,
        id::XDP_ADJUST_TAIL => packet::adjust_tail,
        id::XDP_ADJUST_META => packet::adjust_meta,
        id::XDP_LOAD_BYTES | id::SKB_LOAD_BYTES => packet::load_bytes,
        id::XDP_STORE_BYTES => packet::store_bytes,
        id::XDP_GET_BUFF_LEN => packet::len,
        id::REDIRECT => packet::redirect,
        id::REDIRECT_MAP => packet::redirect_map,
        _ => return None,
    })
}

/// An error of Linux as a helper returns it.
fn answer(result: Result<u64, Errno>) -> Outcome {
    Ok(result.unwrap_or_else(Errno::result))
}

/// A size that a helper was given, where the kernel would refuse a larger one.
fn size(helper: u32, given: u64) -> Result<usize, Trap> {
    /// More than any stack, record or value of a map that programs hand over.
    const LARGEST: u64 = 1 << 24;
    match given {
        0..LARGEST => Ok(given as usize),
        _ => Err(misuse(
            helper,
            format!("it cannot take {} bytes", given as i64),
        )),
    }
}

fn misuse(helper: u32, what: impl Into<String>) -> Trap {
    Trap::Misuse {
        helper,
        what: what.into(),
    }
}

/// The number of the map that the first argument stands for.
fn map(host: &dyn Host, helper: u32, pointer: u64) -> Result<u32, Trap> {
    let found = host.map_at(pointer);
    found.ok_or_else(|| misuse(helper, format!("its argument {pointer:#x} is not a map")))
}
