//! Tells of each file that is opened with openat(2), or could not be.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    Global, UserPtr,
    helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid},
    macros::{map, tracepoint},
    maps::{HashMap, RingBuf},
    programs::TracePointContext,
};
use tools_common::opensnoop::{Event, MAX_PATH};
use tools_ebpf::{current_comm, current_pid};

/// Not 0: only this process.
static PID: Global<u32> = Global::new(0);

/// By thread, the path's address and the flags of the call it is in.
#[map]
static CALLS: HashMap<u64, [u64; 2]> = HashMap::with_max_entries(8192, 0);

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

// The fields of all system calls lie in the same places: the arguments from 16 on, 8 bytes each;
// the result at 16.

#[tracepoint(category = "syscalls", name = "sys_enter_openat")]
fn enter(ctx: TracePointContext) {
    let pid = PID.load();
    if pid == 0 || pid == current_pid() {
        let call = [ctx.field(24), ctx.field(32)];
        let _ = CALLS.insert(bpf_get_current_pid_tgid(), call, 0);
    }
}

#[tracepoint(category = "syscalls", name = "sys_exit_openat")]
fn exit(ctx: TracePointContext) {
    let thread = bpf_get_current_pid_tgid();
    let Some([path, flags]) = CALLS.get(thread) else {
        return;
    };
    if let Some(mut entry) = EVENTS.reserve::<Event>(0) {
        let event = entry.write(Event {
            pid: current_pid(),
            uid: bpf_get_current_uid_gid() as u32,
            result: ctx.field::<i64>(16) as i32,
            flags: flags as u32,
            comm: current_comm(),
            path: [0; MAX_PATH],
        });
        // Only now: the kernel has read the path, so it is in memory.
        let _ = UserPtr::new(path).read_str(&mut event.path);
        entry.submit(0);
    }
    let _ = CALLS.remove(thread);
}

hachi_ebpf::license!("GPL");
