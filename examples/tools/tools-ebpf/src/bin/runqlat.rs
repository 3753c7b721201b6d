//! Counts how long threads that could run wait for a CPU.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    Global, field_exists,
    helpers::bpf_ktime_get_ns,
    kernel::Handle as _,
    kernel_types,
    macros::{btf_tracepoint, map},
    maps::{HashMap, PerCpuArray},
    programs::BtfTracePointContext,
};
use tools_common::histogram::{SLOTS, slot};

kernel_types! {
    struct task_struct { pid: i32, tgid: i32, __state: u32 }
    /// Its name before 5.14.
    struct task_struct___old { state: i64 }

    fn sched_wakeup(p: *const task_struct);
    fn sched_switch(preempt: bool, prev: *const task_struct, next: *const task_struct);
}

/// Not 0: only this process.
static PID: Global<u32> = Global::new(0);

/// Since when a thread waits.
#[map]
static WAITING: HashMap<i32, u64> = HashMap::with_max_entries(10240, 0);

/// Waits by microseconds.
#[map]
static HISTOGRAM: PerCpuArray<u64> = PerCpuArray::with_max_entries(SLOTS, 0);

#[btf_tracepoint(function = "sched_wakeup")]
fn wakeup(ctx: BtfTracePointContext) {
    waits(sched_wakeup::of(&ctx).p());
}

#[btf_tracepoint(function = "sched_wakeup_new")]
fn wakeup_new(ctx: BtfTracePointContext) {
    waits(sched_wakeup::of(&ctx).p());
}

#[btf_tracepoint(function = "sched_switch")]
fn switch(ctx: BtfTracePointContext) {
    let switch = sched_switch::of(&ctx);
    if can_run(switch.prev()) {
        waits(switch.prev());
    }
    let next = switch.next().pid();
    if let Some(since) = WAITING.get(next) {
        HISTOGRAM.update(slot((bpf_ktime_get_ns() - since) / 1000), |count| count + 1);
        let _ = WAITING.remove(next);
    }
}

/// From now on the thread waits for a CPU.
fn waits(task: task_struct) {
    let pid = PID.load();
    if task.pid() != 0 && (pid == 0 || pid == task.tgid() as u32) {
        let _ = WAITING.insert(task.pid(), bpf_ktime_get_ns(), 0);
    }
}

/// Whether it lost its CPU only because another was to have it.
fn can_run(task: task_struct) -> bool {
    if field_exists!(task_struct, __state) {
        task.__state() == 0
    } else {
        task.cast::<task_struct___old>().state() == 0
    }
}

hachi_ebpf::license!("GPL");
