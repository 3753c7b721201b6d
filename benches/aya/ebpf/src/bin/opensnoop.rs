//! Tells of each file that is opened with openat(2), or could not be.

#![no_std]
#![no_main]

use aya_ebpf::{
    Global,
    helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid, bpf_probe_read_user_str_bytes},
    macros::{map, tracepoint},
    maps::{HashMap, RingBuf},
    programs::TracePointContext,
};
use aya_ports::{current_comm, current_pid};
use tools_common::opensnoop::{Event, MAX_PATH};

/// Not 0: only this process.
#[unsafe(no_mangle)]
static PID: Global<u32> = Global::new(0);

/// By thread, the path's address and the flags of the call it is in.
#[map]
static CALLS: HashMap<u64, [u64; 2]> = HashMap::with_max_entries(8192, 0);

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

#[tracepoint(category = "syscalls", name = "sys_enter_openat")]
pub fn enter(ctx: TracePointContext) -> u32 {
    let _ = try_enter(&ctx);
    0
}

fn try_enter(ctx: &TracePointContext) -> Result<(), i32> {
    let pid = PID.load();
    if pid == 0 || pid == current_pid() {
        // SAFETY: the arguments of all system calls lie there.
        let call = unsafe { [ctx.read_at(24)?, ctx.read_at(32)?] };
        CALLS.insert(bpf_get_current_pid_tgid(), call, 0)?;
    }
    Ok(())
}

#[tracepoint(category = "syscalls", name = "sys_exit_openat")]
pub fn exit(ctx: TracePointContext) -> u32 {
    let _ = try_exit(&ctx);
    0
}

fn try_exit(ctx: &TracePointContext) -> Result<(), i32> {
    let thread = bpf_get_current_pid_tgid();
    // SAFETY: the value is copied at once.
    let Some([path, flags]) = (unsafe { CALLS.get(thread).copied() }) else {
        return Ok(());
    };
    // SAFETY: the result of all system calls lies there.
    let result: i64 = unsafe { ctx.read_at(16)? };
    if let Some(mut entry) = EVENTS.reserve::<Event>(0) {
        let event = entry.write(Event {
            pid: current_pid(),
            uid: bpf_get_current_uid_gid() as u32,
            result: result as i32,
            flags: flags as u32,
            comm: current_comm(),
            path: [0; MAX_PATH],
        });
        // SAFETY: the kernel checks what is read.
        let _ = unsafe { bpf_probe_read_user_str_bytes(path as *const u8, &mut event.path) };
        entry.submit(0);
    }
    CALLS.remove(thread)
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
