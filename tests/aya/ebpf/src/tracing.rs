//! Who runs, and what is called in user space.

#![no_std]
#![no_main]

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_ktime_get_ns, generated},
    macros::{map, tracepoint, uprobe},
    maps::{Array, HashMap},
    programs::{ProbeContext, TracePointContext},
};

#[map]
static CALLS: HashMap<u32, u64> = HashMap::with_max_entries(64, 0);
#[map]
static COMMAND: Array<[u8; 16]> = Array::with_max_entries(1, 0);
#[map]
static IDS: Array<[u32; 4]> = Array::with_max_entries(1, 0);

#[uprobe]
pub fn called(ctx: ProbeContext) -> u32 {
    try_called(ctx).unwrap_or(0)
}

fn try_called(ctx: ProbeContext) -> Result<u32, i32> {
    let argument: u64 = ctx.arg(0).ok_or(1)?;
    CALLS.insert(&ctx.tgid(), &argument, 0)?;
    COMMAND.set(0, ctx.command()?, 0)?;
    IDS.set(0, ids(&ctx), 0)?;
    Ok(0)
}

#[map]
static TEXT: Array<[u8; 16]> = Array::with_max_entries(1, 0);

/// Copies as many bytes as the lower half of an argument says, whatever stands above it.
#[uprobe]
pub fn copied(ctx: ProbeContext) -> u32 {
    try_copied(ctx).unwrap_or(0)
}

fn try_copied(ctx: ProbeContext) -> Result<u32, i32> {
    let text: *const u8 = ctx.arg(0).ok_or(1)?;
    let length = ctx.arg::<u32>(1).ok_or(1)?.min(15);
    let mut buffer = [0; 16];
    // SAFETY: the buffer has room for 15 bytes.
    let result = unsafe {
        generated::bpf_probe_read_user(buffer.as_mut_ptr().cast(), length, text.cast())
    };
    if result != 0 {
        return Err(result as i32);
    }
    TEXT.set(0, buffer, 0)?;
    Ok(0)
}

#[inline(always)]
fn ids<C: EbpfContext>(ctx: &C) -> [u32; 4] {
    [ctx.pid(), ctx.tgid(), ctx.uid(), ctx.gid()]
}

#[tracepoint]
pub fn switched(_ctx: TracePointContext) -> u32 {
    u32::from(bpf_ktime_get_ns() == 0)
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    unsafe { core::hint::unreachable_unchecked() }
}
