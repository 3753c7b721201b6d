//! A scheduler: who has waited longest runs next, on whichever CPU is free, in the words of the
//! kernel's `struct sched_ext_ops`.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    Global,
    atomic::{AtomicU64, Ordering},
    kernel::c_chars,
    kernel_types,
    macros::{map, struct_ops},
    maps::Array,
};

kernel_types! {
    struct task_struct {}

    trait sched_ext_ops {
        const name: [u8; 128];
        fn enqueue(p: *mut task_struct, enq_flags: u64);
        fn running(p: *mut task_struct);
    }

    kfunc scx_bpf_dsq_insert(p: *mut task_struct, dsq_id: u64, slice: u64, enq_flags: u64);
}

/// `SCX_DSQ_GLOBAL`: the queue of tasks that every CPU takes from when it has nothing to do.
const EVERYBODYS: u64 = 1 << 63 | 1;

/// How long a task runs before others are asked, in nanoseconds.
static SLICE: Global<u64> = Global::new(20_000_000);

/// Tasks queued; tasks that began to run.
#[map]
static STATS: Array<AtomicU64> = Array::with_max_entries(2, 0);

fn count(index: u32) {
    if let Some(count) = STATS.get(index) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

struct Fifo;

#[struct_ops(name = "hachi_fifo")]
impl sched_ext_ops for Fifo {
    const name: [u8; 128] = c_chars("hachi_fifo");

    fn enqueue(p: task_struct, enq_flags: u64) {
        count(0);
        scx_bpf_dsq_insert(p, EVERYBODYS, SLICE.load(), enq_flags);
    }

    fn running(_p: task_struct) {
        count(1);
    }
}

hachi_ebpf::license!("GPL");
