//! The eBPF side: reports each program that is started.

#![cfg_attr(not(test), no_std, no_main)]
#![forbid(unsafe_code)]

use hachi_ebpf::EbpfContext;
use hachi_ebpf::macros::{map, tracepoint};
use hachi_ebpf::maps::{PerCpuArray, RingBuf};
use hachi_ebpf::programs::TracePointContext;

use starts_common::Start;

hachi_ebpf::license!("GPL");
hachi_ebpf::host_main!();

/// 64 KiB: room for two thousand records that nobody has read yet.
#[map]
static STARTS: RingBuf = RingBuf::with_byte_size(64 * 1024, 0);

/// How many records found no room.
#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

#[tracepoint(category = "sched", name = "sched_process_exec")]
fn starts(ctx: TracePointContext) {
    let Some(mut entry) = STARTS.reserve::<Start>(0) else {
        LOST.update(0, |lost| lost + 1);
        return;
    };
    entry.write(Start {
        process: ctx.tgid(),
        user: ctx.uid(),
        name: ctx.command().unwrap_or_default(),
    });
    entry.submit(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use hachi_ebpf::test::{Input, Kernel};

    #[test]
    fn reports_the_process() {
        let kernel = Kernel::new();
        Input::<TracePointContext>::new([0; 64]).run(starts);
        let starts: Vec<Start> = kernel.records(&STARTS);
        assert_eq!(starts.len(), 1);
        assert_eq!(starts[0].process, std::process::id());
    }
}
