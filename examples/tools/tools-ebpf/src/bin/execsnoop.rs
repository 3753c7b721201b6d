//! Tells of each program that is started, with its arguments.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    UserPtr, core_read,
    helpers::bpf_get_current_uid_gid,
    kernel_types,
    macros::{btf_tracepoint, map},
    maps::RingBuf,
    programs::BtfTracePointContext,
};
use tools_common::execsnoop::{Event, MAX_ARGS};

kernel_types! {
    struct task_struct {
        tgid: i32,
        real_parent: *const task_struct,
        comm: [u8; 16],
        mm: *const mm_struct,
    }
    struct mm_struct { arg_start: u64, arg_end: u64 }

    fn sched_process_exec(p: *const task_struct);
}

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

#[btf_tracepoint(function = "sched_process_exec")]
fn exec(ctx: BtfTracePointContext) -> Result<(), i64> {
    let task = sched_process_exec::of(&ctx).p();
    // The kernel has just written the arguments to the new program's stack.
    let start = core_read!(task, mm.arg_start)?;
    let length = core_read!(task, mm.arg_end)?.wrapping_sub(start) as usize;
    let length = length.min(MAX_ARGS);
    let Some(mut event) = EVENTS.reserve::<Event>(0) else {
        return Ok(());
    };
    let event_here = event.write(Event {
        pid: task.tgid() as u32,
        parent: core_read!(task, real_parent.tgid).unwrap_or(0) as u32,
        uid: bpf_get_current_uid_gid() as u32,
        args_len: length as u32,
        comm: task.comm().read(),
        args: [0; MAX_ARGS],
    });
    let _ = UserPtr::new(start).read_bytes(&mut event_here.args[..length]);
    event.submit(0);
    Ok(())
}

hachi_ebpf::license!("GPL");
