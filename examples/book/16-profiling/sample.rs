#![no_std]
#![no_main]

use hachi_ebpf::EbpfContext;
use hachi_ebpf::macros::{map, perf_event};
use hachi_ebpf::maps::HashMap;
use hachi_ebpf::programs::PerfEventContext;

/// How often each process was found to run.
#[map]
static SAMPLES: HashMap<u32, u64> = HashMap::with_max_entries(1024, 0);

#[perf_event]
fn sample(ctx: PerfEventContext) -> u32 {
    let count = SAMPLES.get(ctx.tgid()).unwrap_or(0);
    let _ = SAMPLES.insert(ctx.tgid(), count + 1, 0);
    0
}

hachi_ebpf::license!("GPL");
