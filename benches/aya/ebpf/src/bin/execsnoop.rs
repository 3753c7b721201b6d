//! Tells of each program that is started, with its arguments.

#![no_std]
#![no_main]

use aya_ebpf::{
    helpers::{bpf_get_current_uid_gid, bpf_probe_read_kernel, bpf_probe_read_user_buf},
    macros::{btf_tracepoint, map},
    maps::RingBuf,
    programs::BtfTracePointContext,
};
use aya_ports::vmlinux::task_struct;
use tools_common::execsnoop::{Event, MAX_ARGS};

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

#[btf_tracepoint(function = "sched_process_exec")]
pub fn exec(ctx: BtfTracePointContext) -> i32 {
    match try_exec(&ctx) {
        Ok(()) => 0,
        Err(error) => error,
    }
}

fn try_exec(ctx: &BtfTracePointContext) -> Result<(), i32> {
    let task: *const task_struct = ctx.arg(0);
    // SAFETY: the kernel checks what is read.
    let (start, end) = unsafe {
        let mm = bpf_probe_read_kernel(&raw const (*task).mm)?;
        (
            bpf_probe_read_kernel(&raw const (*mm).arg_start)?,
            bpf_probe_read_kernel(&raw const (*mm).arg_end)?,
        )
    };
    let length = (end.wrapping_sub(start) as usize).min(MAX_ARGS);
    // SAFETY: the kernel checks what is read.
    let parent = unsafe {
        let parent = bpf_probe_read_kernel(&raw const (*task).real_parent)?;
        bpf_probe_read_kernel(&raw const (*parent).tgid).unwrap_or(0)
    };
    // SAFETY: the tracepoint's task is the kernel's.
    let (pid, comm) = unsafe { ((*task).tgid, (*task).comm) };
    let Some(mut event) = EVENTS.reserve::<Event>(0) else {
        return Ok(());
    };
    let here = event.write(Event {
        pid: pid as u32,
        parent: parent as u32,
        uid: bpf_get_current_uid_gid() as u32,
        args_len: length as u32,
        comm,
        args: [0; MAX_ARGS],
    });
    // SAFETY: the kernel checks what is read.
    let _ = unsafe { bpf_probe_read_user_buf(start as *const u8, &mut here.args[..length]) };
    event.submit(0);
    Ok(())
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
