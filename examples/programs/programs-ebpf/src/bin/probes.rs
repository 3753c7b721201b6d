//! Programs at functions of user space, at events that the machine counts, and called by user
//! space.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    info,
    macros::{perf_event, syscall, uprobe, uprobe_session, uretprobe, usdt},
    programs::{
        PerfEventContext, ProbeContext, ProbeSessionContext, RetProbeContext, SyscallContext,
        UsdtContext,
    },
};
use programs_common::Sum;

/// A function begins.
#[uprobe]
fn uprobe(ctx: ProbeContext) {
    info!(
        &ctx,
        "uprobe: called with {}",
        ctx.arg::<u64>(0).unwrap_or(0)
    );
}

/// A function returns.
#[uretprobe]
fn uretprobe(ctx: RetProbeContext) {
    info!(&ctx, "uretprobe: gives {}", ctx.ret::<u64>());
}

/// A function begins, and returns: what of the one time is kept for the other.
#[uprobe_session]
fn uprobe_session(ctx: ProbeSessionContext) -> u32 {
    if !ctx.is_return() {
        ctx.set_cookie(ctx.arg(0).unwrap_or(0));
    } else {
        info!(
            &ctx,
            "uprobe_session: called with {}, gives {}",
            ctx.cookie(),
            ctx.ret::<u64>()
        );
    }
    0
}

/// A process comes to a place that its author marked.
#[usdt]
fn usdt(ctx: UsdtContext) {
    info!(&ctx, "usdt: {}", ctx.arg::<u64>(0).unwrap_or(0));
}

/// So much time has passed on a CPU.
#[perf_event]
fn perf_event(ctx: PerfEventContext) -> u32 {
    info!(&ctx, "perf_event: at {:#x}", ctx.instruction_pointer());
    0
}

/// User space asks for a sum.
#[syscall]
fn syscall(mut ctx: SyscallContext<Sum>) -> u32 {
    let [a, b, _] = ctx.get();
    ctx.set([a, b, a.wrapping_add(b)]);
    0
}

hachi_ebpf::license!("GPL");
