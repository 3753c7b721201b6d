//! Counts how long threads that could run wait for a CPU.

#![no_std]
#![no_main]

use aya_ebpf::{
    Global,
    helpers::bpf_ktime_get_ns,
    macros::{btf_tracepoint, map},
    maps::{HashMap, PerCpuArray},
    programs::BtfTracePointContext,
};
use aya_ports::vmlinux::task_struct;
use tools_common::histogram::{SLOTS, slot};

/// Not 0: only this process.
#[unsafe(no_mangle)]
static PID: Global<u32> = Global::new(0);

/// Since when a thread waits.
#[map]
static WAITING: HashMap<i32, u64> = HashMap::with_max_entries(10240, 0);

/// Waits by microseconds.
#[map]
static HISTOGRAM: PerCpuArray<u64> = PerCpuArray::with_max_entries(SLOTS, 0);

#[btf_tracepoint(function = "sched_wakeup")]
pub fn wakeup(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's task is the kernel's.
    unsafe { waits(ctx.arg(0)) };
    0
}

#[btf_tracepoint(function = "sched_wakeup_new")]
pub fn wakeup_new(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's task is the kernel's.
    unsafe { waits(ctx.arg(0)) };
    0
}

#[btf_tracepoint(function = "sched_switch")]
pub fn switch(ctx: BtfTracePointContext) -> i32 {
    let (prev, next): (*const task_struct, *const task_struct) = (ctx.arg(1), ctx.arg(2));
    // SAFETY: the tracepoint's tasks are the kernel's. (Kernels before 5.14 call the field
    // otherwise; they would need an object of their own.)
    let next = unsafe {
        if (*prev).__state == 0 {
            waits(prev);
        }
        (*next).pid
    };
    // SAFETY: the value is copied at once.
    if let Some(since) = unsafe { WAITING.get(next).copied() } {
        // SAFETY: the helper has no arguments.
        let now = unsafe { bpf_ktime_get_ns() };
        if let Some(count) = HISTOGRAM.get_ptr_mut(slot((now - since) / 1000)) {
            // SAFETY: the element is this CPU's.
            unsafe { *count += 1 };
        }
        let _ = WAITING.remove(next);
    }
    0
}

/// From now on the thread waits for a CPU.
///
/// # Safety
/// The task must be one that the kernel gave to the program.
unsafe fn waits(task: *const task_struct) {
    let wanted = PID.load();
    // SAFETY: the caller's task is the kernel's.
    let (pid, tgid) = unsafe { ((*task).pid, (*task).tgid) };
    if pid != 0 && (wanted == 0 || wanted == tgid as u32) {
        // SAFETY: the helper has no arguments.
        let now = unsafe { bpf_ktime_get_ns() };
        let _ = WAITING.insert(pid, now, 0);
    }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
