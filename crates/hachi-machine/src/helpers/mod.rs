//! The kernel's helpers, by number.
//!
//! The table is `codegen/helpers.tsv`; this is what they do. One that is not here stops the program
//! with its name ([`Trap::Missing`]): no helper answers what it does not know.

mod maps;
mod memory;
pub(crate) mod objects;
mod packet;
mod print;
mod ring;
mod route;
mod skb;
mod socket;
mod system;
mod trace;

use hachi_asm::helpers::{self, id};

use crate::maps::Map;
use crate::{Awake, Errno, Expected, Held, Host, Memory, Misuse, Trap, Wanted, World};

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
    let (world, _) = host.parts();
    if let Some(supplied) = world.supplied.of_helper(helper) {
        return supplied(host, arguments);
    }
    let Some(function) = function(helper) else {
        return Err(match helpers::by_id(helper) {
            None => Trap::NoSuchHelper {
                helper: helper as i32,
            },
            Some(_) => Trap::Missing { helper },
        });
    };
    if !world.held.is_empty() {
        check_held(world, helper)?;
    }
    if may_sleep(helper) && !world.running.sleepable {
        return Err(Trap::Sleeps {
            name: name(helper),
            why: Awake::Program,
        });
    }
    function(host, arguments)
}

/// `bpf_map_lookup_elem` without a detour: it is what programs call most. None if that must go by
/// [`call`]: for maps of maps, and where a helper was supplied or something is held.
///
/// # Errors
/// As [`call`].
pub fn look_up<M: Memory>(
    world: &mut World,
    memory: &M,
    map: u32,
    key: u64,
) -> Result<Option<u64>, Trap> {
    if world.supplied.has_helpers() || !world.held.is_empty() {
        return Ok(None);
    }
    Ok(match maps::look_up(world, memory, map, key)? {
        maps::Found::Value(address) => Some(address),
        maps::Found::Nothing => Some(0),
        maps::Found::Map(_) => None,
    })
}

/// What may not be called while the program holds a lock, or is in a section that may not sleep.
fn check_held(world: &World, helper: u32) -> Result<(), Trap> {
    let locked = world
        .held
        .iter()
        .any(|held| matches!(held, Held::Lock { .. }));
    if locked && !matches!(helper, id::SPIN_UNLOCK | id::SPIN_LOCK) {
        return Err(Trap::Locked { name: name(helper) });
    }
    let section = world.held.iter().find_map(|held| match held {
        Held::Section { what } => Some(*what),
        _ => None,
    });
    match section {
        Some(what) if may_sleep(helper) => Err(Trap::Sleeps {
            name: name(helper),
            why: Awake::Section { what },
        }),
        _ => Ok(()),
    }
}

/// Helpers for programs that may sleep.
fn may_sleep(helper: u32) -> bool {
    matches!(
        helper,
        id::COPY_FROM_USER
            | id::COPY_FROM_USER_TASK
            | id::IMA_INODE_HASH
            | id::IMA_FILE_HASH
            | id::SYS_BPF
            | id::SYS_CLOSE
            | id::BTF_FIND_BY_NAME_KIND
    )
}

fn name(helper: u32) -> String {
    helpers::by_id(helper).map_or_else(|| format!("helper {helper}"), |row| row.name.to_owned())
}

/// The structure that stands for the task that runs.
pub(crate) fn current_task(host: &mut dyn Host) -> Outcome {
    trace::current_task(host, [0; 5])
}

/// Puts a socket of the world where the program that is about to run finds it.
///
/// # Errors
/// If there is no more memory.
pub fn expose_socket(
    world: &mut World,
    memory: &mut dyn Memory,
    socket: usize,
) -> Result<u64, Trap> {
    socket::expose(world, memory, socket)
}

/// Checks that an argument is the program's context.
fn context(host: &mut dyn Host, helper: u32, pointer: u64) -> Result<(), Trap> {
    match host.parts().0.running.context == pointer {
        true => Ok(()),
        false => Err(not(helper, pointer, Expected::Context)),
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
        id::PROBE_READ | id::PROBE_READ_KERNEL => memory::probe_read,
        id::PROBE_READ_USER | id::COPY_FROM_USER | id::COPY_FROM_USER_TASK => {
            memory::probe_read_user
        }
        id::PROBE_READ_STR | id::PROBE_READ_KERNEL_STR => memory::probe_read_str,
        id::PROBE_READ_USER_STR => memory::probe_read_user_str,
        id::PROBE_WRITE_USER => memory::probe_write_user,
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
        id::XDP_LOAD_BYTES => packet::load_bytes,
        id::XDP_STORE_BYTES => packet::store_bytes,
        id::XDP_GET_BUFF_LEN => packet::len,
        id::REDIRECT => packet::redirect,
        id::SKB_LOAD_BYTES => skb::load_bytes,
        id::SKB_LOAD_BYTES_RELATIVE => skb::load_bytes_relative,
        id::SKB_STORE_BYTES => skb::store_bytes,
        id::L3_CSUM_REPLACE => skb::l3_csum_replace,
        id::L4_CSUM_REPLACE => skb::l4_csum_replace,
        id::CSUM_UPDATE => skb::csum_update,
        id::CSUM_LEVEL => skb::csum_level,
        id::SKB_VLAN_PUSH => skb::vlan_push,
        id::SKB_VLAN_POP => skb::vlan_pop,
        id::SKB_CHANGE_TYPE => skb::change_type,
        id::SKB_CHANGE_PROTO => skb::change_proto,
        id::SKB_CHANGE_TAIL => skb::change_tail,
        id::SKB_CHANGE_HEAD => skb::change_head,
        id::SKB_PULL_DATA => skb::pull_data,
        id::SKB_ADJUST_ROOM => skb::adjust_room,
        id::SKB_ECN_SET_CE => skb::ecn_set_ce,
        id::SKB_SET_TSTAMP => skb::set_tstamp,
        id::GET_HASH_RECALC => skb::hash,
        id::SET_HASH => skb::set_hash,
        id::SET_HASH_INVALID => skb::set_hash_invalid,
        id::GET_ROUTE_REALM => skb::route_realm,
        id::SKB_GET_TUNNEL_KEY => skb::get_tunnel_key,
        id::SKB_SET_TUNNEL_KEY => skb::set_tunnel_key,
        id::SKB_GET_TUNNEL_OPT => skb::get_tunnel_opt,
        id::SKB_SET_TUNNEL_OPT => skb::set_tunnel_opt,
        id::CLONE_REDIRECT => skb::clone_redirect,
        id::REDIRECT_PEER => skb::redirect_peer,
        id::REDIRECT_NEIGH => skb::redirect_neigh,
        id::SK_LOOKUP_TCP => socket::lookup_tcp,
        id::SK_LOOKUP_UDP => socket::lookup_udp,
        id::SKC_LOOKUP_TCP => socket::skc_lookup_tcp,
        id::SK_RELEASE => socket::release,
        id::SK_FULLSOCK => socket::fullsock,
        id::GET_LISTENER_SOCK => socket::listener,
        id::GET_SOCKET_COOKIE => socket::cookie,
        id::GET_SOCKET_UID => socket::uid,
        id::GET_NETNS_COOKIE => socket::netns_cookie,
        id::SK_CGROUP_ID => socket::cgroup_id,
        id::SKB_CGROUP_ID => socket::skb_cgroup_id,
        id::SETSOCKOPT => socket::setsockopt,
        id::GETSOCKOPT => socket::getsockopt,
        id::BIND => socket::bind,
        id::SK_ASSIGN => socket::assign,
        id::SK_SELECT_REUSEPORT => socket::select_reuseport,
        id::SK_REDIRECT_MAP => socket::sk_redirect_map,
        id::SK_REDIRECT_HASH => socket::sk_redirect_hash,
        id::MSG_REDIRECT_MAP => socket::msg_redirect_map,
        id::MSG_REDIRECT_HASH => socket::msg_redirect_hash,
        id::SOCK_MAP_UPDATE => socket::sock_map_update,
        id::SOCK_HASH_UPDATE => socket::sock_hash_update,
        id::SOCK_OPS_CB_FLAGS_SET => socket::cb_flags_set,
        id::MSG_APPLY_BYTES => socket::apply_bytes,
        id::MSG_CORK_BYTES => socket::cork_bytes,
        id::MSG_PULL_DATA => socket::pull_data,
        id::MSG_PUSH_DATA => socket::push_data,
        id::MSG_POP_DATA => socket::pop_data,
        id::SYSCTL_GET_NAME => socket::sysctl_name,
        id::SYSCTL_GET_CURRENT_VALUE => socket::sysctl_current,
        id::SYSCTL_GET_NEW_VALUE => socket::sysctl_new,
        id::SYSCTL_SET_NEW_VALUE => socket::sysctl_set_new,
        id::FIB_LOOKUP => route::fib_lookup,
        id::CHECK_MTU => route::check_mtu,
        id::GET_CURRENT_TASK | id::GET_CURRENT_TASK_BTF => trace::current_task,
        id::GET_NS_CURRENT_PID_TGID => trace::ns_pid_tgid,
        id::GET_CURRENT_ANCESTOR_CGROUP_ID => trace::ancestor_cgroup,
        id::GET_CGROUP_CLASSID | id::SKB_CGROUP_CLASSID => trace::classid,
        id::CURRENT_TASK_UNDER_CGROUP => trace::under_cgroup,
        id::SEND_SIGNAL | id::SEND_SIGNAL_THREAD => trace::send_signal,
        id::GET_FUNC_ARG => trace::argument,
        id::GET_FUNC_RET => trace::result,
        id::GET_FUNC_ARG_CNT => trace::argument_count,
        id::GET_FUNC_IP => trace::function_address,
        id::GET_ATTACH_COOKIE => trace::attach_cookie,
        id::GET_RETVAL => trace::get_retval,
        id::SET_RETVAL => trace::set_retval,
        id::GET_STACKID => trace::stack_id,
        id::GET_STACK => trace::stack,
        id::GET_TASK_STACK => trace::task_stack,
        id::PERF_PROG_READ_VALUE => trace::perf_prog_read_value,
        id::PERF_EVENT_READ_VALUE => trace::perf_event_read_value,
        id::PERF_EVENT_READ => trace::perf_event_read,
        id::SEQ_WRITE => trace::seq_write,
        id::SEQ_PRINTF => trace::seq_printf,
        id::DYNPTR_FROM_MEM => objects::from_mem,
        id::DYNPTR_READ => objects::dynptr_read,
        id::DYNPTR_WRITE => objects::dynptr_write,
        id::DYNPTR_DATA => objects::dynptr_data,
        id::RINGBUF_RESERVE_DYNPTR => objects::reserve_dynptr,
        id::RINGBUF_SUBMIT_DYNPTR => objects::submit_dynptr,
        id::RINGBUF_DISCARD_DYNPTR => objects::discard_dynptr,
        id::TIMER_INIT => objects::timer_init,
        id::TIMER_SET_CALLBACK => objects::timer_set_callback,
        id::TIMER_START => objects::timer_start,
        id::TIMER_CANCEL => objects::timer_cancel,
        id::SK_STORAGE_GET => objects::sk_storage,
        id::SK_STORAGE_DELETE => objects::sk_storage_delete,
        id::INODE_STORAGE_GET => objects::inode_storage,
        id::INODE_STORAGE_DELETE => objects::inode_storage_delete,
        id::TASK_STORAGE_GET => objects::task_storage,
        id::TASK_STORAGE_DELETE => objects::task_storage_delete,
        id::CGRP_STORAGE_GET => objects::cgrp_storage,
        id::CGRP_STORAGE_DELETE => objects::cgrp_storage_delete,
        id::GET_LOCAL_STORAGE => objects::local_storage,
        id::USER_RINGBUF_DRAIN => objects::drain,
        id::KPTR_XCHG => objects::kptr_xchg,
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
            Misuse::Size {
                bytes: given as i64,
            },
        )),
    }
}

fn misuse(helper: u32, misuse: Misuse) -> Trap {
    Trap::Misuse { helper, misuse }
}

/// An argument is not what it has to be.
fn not(helper: u32, value: u64, expected: Expected) -> Trap {
    misuse(helper, Misuse::Argument { value, expected })
}

/// A map is not of a type that the helper is for.
fn unfit(helper: u32, map: &Map, wanted: Wanted) -> Trap {
    let misused = Misuse::Map {
        map: map.name().to_owned(),
        kind: map.kind(),
        wanted,
    };
    misuse(helper, misused)
}

/// The number of the map that the first argument stands for.
fn map(host: &dyn Host, helper: u32, pointer: u64) -> Result<u32, Trap> {
    let found = host.map_at(pointer);
    found.ok_or_else(|| not(helper, pointer, Expected::Map))
}
